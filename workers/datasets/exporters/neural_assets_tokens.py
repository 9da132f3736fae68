"""The numbers of Neural Assets: boxes in [0, 1], projected corners, and the background's pose."""

import numpy as np
from numpy.typing import NDArray

from workers.datasets.oriented_boxes import project
from workers.geometry.boxes import mask_extent

Floats = NDArray[np.float64]
# the corners that fix a box, of product((-, +), repeat=3) over x, y, z
CORNERS = (0, 1, 2, 4)
NEAR = 1e-6
# Blender's camera looks down -z with y up
BLENDER_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
NO_POSE = np.full(12, np.nan, np.float32)


def encode_box_2d(mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """(y0, x0, y1, x1) of a mask (H, W), end-exclusive, over H and W; None for an empty mask."""
    if not mask.any():
        return None
    x0, y0, x1, y1 = mask_extent(mask)
    height, width = mask.shape
    return np.array([y0 / height, x0 / width, y1 / height, x1 / width], np.float32)


def encode_box_3d(corners: Floats | None, intrinsics: Floats, side: int) -> NDArray[np.float32] | None:
    """Four of the corners (8, 3) in camera axes as f32 (12,): u, v over the side, z-depth each.

    None without a box, and when one of the four is not before the camera.
    """
    if corners is None:
        return None
    chosen = corners[list(CORNERS)]
    if (chosen[:, 2] <= NEAR).any():
        return None
    places = project(chosen, intrinsics) / side
    return np.concatenate([places, chosen[:, 2:]], axis=1).astype(np.float32).ravel()


def encode_background_pose(source: Floats | None, target: Floats | None) -> NDArray[np.float32] | None:
    """The source camera in the target camera's axes, Blender's, as f32 (12,): R row by row, then t.

    `source` and `target` are world_from_cam (4, 4) in OpenCV axes; None when either is unknown.
    """
    if source is None or target is None:
        return None
    move = BLENDER_FROM_OPENCV @ np.linalg.inv(target) @ source @ BLENDER_FROM_OPENCV
    return np.concatenate([move[:3, :3].ravel(), move[:3, 3]]).astype(np.float32)
