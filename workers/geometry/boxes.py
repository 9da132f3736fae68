"""Boxes of pixels: xyxy, end-exclusive; the top left corner of the image is (0, 0)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Mask = NDArray[np.bool_]
# A box that meets the image in less than this many pixels does not meet it.
MIN_SIDE = 1e-6


def mask_extent(mask: Mask) -> tuple[int, int, int, int]:
    """The tight box (x0, y0, x1, y1) of a mask (H, W), so that `mask[y0:y1, x0:x1]` holds all of it.

    Raises ValueError for an empty mask.
    """
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        raise ValueError("an empty mask has no box")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def bounding_box(mask: Mask) -> Box:
    """`mask_extent` as floats; raises ValueError for an empty mask."""
    x0, y0, x1, y1 = mask_extent(mask)
    return float(x0), float(y0), float(x1), float(y1)


def clip_box(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box inside an image of (height, width); raises ValueError when there is none."""
    height, width = size
    if not np.isfinite(box).all():
        raise ValueError("a box holds a value that is not finite")
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))
    if x1 - x0 < MIN_SIDE or y1 - y0 < MIN_SIDE:
        raise ValueError(f"the box {box} does not meet the image of {width}x{height}")
    return x0, y0, x1, y1


def contains_box(outer: Box, inner: Box) -> bool:
    """Whether a box lies within another one; borders may touch."""
    return (
        outer[0] <= inner[0] + MIN_SIDE
        and outer[1] <= inner[1] + MIN_SIDE
        and inner[2] <= outer[2] + MIN_SIDE
        and inner[3] <= outer[3] + MIN_SIDE
    )


def enclose_boxes(boxes: Sequence[Box]) -> Box:
    """The smallest box around some boxes, of which there is at least one."""
    corners = np.array(boxes, np.float64)
    x0, y0 = corners[:, :2].min(axis=0).tolist()
    x1, y1 = corners[:, 2:].max(axis=0).tolist()
    return x0, y0, x1, y1
