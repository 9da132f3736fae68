"""Camera poses as SpatialVID stores them, and their motion in its words."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.datasets.scene_clip import SceneClip

Floats = NDArray[np.float64]
# a camera that moves and turns less than this between two samples stays: units of the world, and radians
# (both chosen, not measured)
LEAST_MOVE = 0.01
LEAST_TURN = np.radians(1.0)
# words for a negative and a positive motion, for each axis of the camera
MOVES = (("Truck Left", "Truck Right"), ("Pedestal Up", "Pedestal Down"), ("Dolly Out", "Dolly In"))
TURNS = (("Pan Right", "Pan Left"), ("Tilt Up", "Tilt Down"), ("Roll CW", "Roll CCW"))


def stack_poses(clip: SceneClip, frames: list[int]) -> Floats:
    """cam_from_world f64 (n, 7) of some frames: t, then q xyzw, in OpenCV axes."""
    poses = []
    for frame in frames:
        world_from_cam = clip.world_from_cam(frame)
        assert world_from_cam is not None
        cam_from_world = np.linalg.inv(world_from_cam)
        rotation = Rotation.from_matrix(cam_from_world[:3, :3]).as_quat()
        poses.append(np.concatenate([cam_from_world[:3, 3], rotation]))
    return np.array(poses)


def describe_motion(poses: Floats) -> dict[str, list[str]]:
    """The words of the camera's motion by "first->last" sample; equal neighbours are joined."""
    steps = [_describe_step(before, after) for before, after in pairwise(poses)]
    instructions: dict[str, list[str]] = {}
    start = 0
    for number, words in enumerate(steps):
        if number + 1 == len(steps) or steps[number + 1] != words:
            instructions[f"{start}->{number + 1}"] = words
            start = number + 1
    return instructions


def _describe_step(before: Floats, after: Floats) -> list[str]:
    rotation, next_rotation = Rotation.from_quat(before[3:]), Rotation.from_quat(after[3:])
    move = rotation.apply(rotation.inv().apply(before[:3]) - next_rotation.inv().apply(after[:3]))
    angles = (next_rotation * rotation.inv()).as_euler("yxz")
    words = [w[int(x > 0)] for w, x in zip(MOVES, move, strict=True) if abs(x) > LEAST_MOVE]
    words += [w[int(x > 0)] for w, x in zip(TURNS, angles, strict=True) if abs(x) > LEAST_TURN]
    return words or ["Stay"]
