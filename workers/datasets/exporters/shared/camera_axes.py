"""Cameras of formats that do not use OpenCV's axes or OpenCV's pixel centres."""

import numpy as np
from numpy.typing import NDArray

from workers.datasets.scene_clip import SceneClip
from workers.geometry.poses import OPENGL_FROM_OPENCV

# 4x4; its own inverse. Blender's and Kubric's cameras have OpenGL's axes: they look down -z, with y up
BLENDER_FROM_OPENCV: NDArray[np.float64] = np.eye(4)
BLENDER_FROM_OPENCV[:3, :3] = OPENGL_FROM_OPENCV


def stack_poses(clip: SceneClip) -> NDArray[np.float64]:
    """world_from_cam of every frame, (T, 4, 4); raises ValueError where one is unknown."""
    poses = [pose for frame in range(len(clip)) if (pose := clip.world_from_cam(frame)) is not None]
    if len(poses) != len(clip):
        raise ValueError(f"clip {clip.id} has frames without a camera pose")
    return np.stack(poses)
