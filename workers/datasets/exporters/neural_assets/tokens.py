"""The tokens of Neural Assets: boxes in [0, 1], projected corners, and the pose of the background."""

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.shared.camera_axes import BLENDER_FROM_OPENCV
from workers.datasets.oriented_boxes import project
from workers.geometry.boxes import mask_extent

Floats = NDArray[np.float64]
# the corners that determine a box, in the order of `oriented_boxes.SIGNS`: the origin and one along each axis
ANCHOR_CORNERS = (0, 1, 2, 4)
# z-depth in metres or units; a corner that is nearer cannot be projected
NEAREST_DEPTH = 1e-6
UNKNOWN_POSE = np.full(12, np.nan, np.float32)


def encode_box_2d(mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """(y0, x0, y1, x1) of a mask (H, W), end-exclusive, over H and W; None for an empty mask."""
    if not mask.any():
        return None
    x0, y0, x1, y1 = mask_extent(mask)
    height, width = mask.shape
    return np.array([y0 / height, x0 / width, y1 / height, x1 / width], np.float32)


def encode_box_3d(corners: Floats | None, intrinsics: Floats, side: int) -> NDArray[np.float32] | None:
    """Four of the corners (8, 3) in camera axes as f32 (12,): u and v over the side, and z-depth, of each.

    None without a box, and when one of the four corners is not in front of the camera.
    """
    if corners is None:
        return None
    anchors = corners[list(ANCHOR_CORNERS)]
    if (anchors[:, 2] <= NEAREST_DEPTH).any():
        return None
    pixels = project(anchors, intrinsics) / side
    return np.concatenate([pixels, anchors[:, 2:]], axis=1).astype(np.float32).ravel()


def encode_background_pose(source: Floats | None, target: Floats | None) -> NDArray[np.float32] | None:
    """The source camera in the axes of the target camera, Blender's, as f32 (12,): R row by row, then t.

    `source` and `target` are world_from_cam (4, 4) in OpenCV axes; None when either is unknown.
    """
    if source is None or target is None:
        return None
    motion = BLENDER_FROM_OPENCV @ np.linalg.inv(target) @ source @ BLENDER_FROM_OPENCV
    return np.concatenate([motion[:3, :3].ravel(), motion[:3, 3]]).astype(np.float32)
