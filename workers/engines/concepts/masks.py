"""Small operations on boolean masks: boxes, overlap, clipping, removal of sprinkles and holes."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask

# parts and holes below this share of the mask are taken for noise of the decoder
SPECK = 0.01


def box_of(mask: Mask) -> Box:
    """The tight xyxy box of a mask (H, W), end-exclusive; raises ValueError for an empty mask."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        raise ValueError("an empty mask has no box")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def area_of(mask: Mask) -> int:
    """The number of pixels of a mask."""
    return int(np.count_nonzero(mask))


def mask_iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks of one shape; 0 when both are empty."""
    union = int(np.count_nonzero(a | b))
    return float(np.count_nonzero(a & b)) / union if union else 0.0


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two xyxy boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inner = width * height
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


def clip_box(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box inside an image of (height, width); raises ValueError when there is none."""
    height, width = size
    if not np.isfinite(box).all():
        raise ValueError("a box holds a value that is not finite")
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))
    if x1 - x0 < 1e-6 or y1 - y0 < 1e-6:
        raise ValueError(f"the box {box} does not meet the image of {width}x{height}")
    return x0, y0, x1, y1


def clip_mask(mask: Mask, box: Box, margin: float) -> Mask:
    """The mask inside the box, grown on each side by `margin` times the box's size."""
    dx, dy = margin * (box[2] - box[0]), margin * (box[3] - box[1])
    x0, y0 = max(int(np.floor(box[0] - dx)), 0), max(int(np.floor(box[1] - dy)), 0)
    x1, y1 = int(np.ceil(box[2] + dx)), int(np.ceil(box[3] + dy))
    out = np.zeros_like(mask)
    out[y0:y1, x0:x1] = mask[y0:y1, x0:x1]
    return out


def tidy(mask: Mask, keep: NDArray[np.float64] | None = None) -> Mask:
    """Drop specks and fill pinholes below 1% of the mask; parts under the points `keep` (N, 2) stay."""
    if not mask.any():
        return mask
    x0, y0, x1, y1 = (int(value) for value in box_of(mask))
    part = np.pad(mask[y0:y1, x0:x1], 1)
    limit = SPECK * np.count_nonzero(part)
    points = [] if keep is None else [(int(y) - y0 + 1, int(x) - x0 + 1) for x, y in keep]
    part = _without_small(part, limit, points)
    part = ~_without_small(~part, limit, [])
    out = np.zeros_like(mask)
    out[y0:y1, x0:x1] = part[1:-1, 1:-1]
    return out


def _without_small(part: Mask, limit: float, points: list[tuple[int, int]]) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8), connectivity=8)
    stays = stats[:count, cv2.CC_STAT_AREA] >= limit
    for y, x in points:
        if 0 <= y < part.shape[0] and 0 <= x < part.shape[1]:
            stays[labels[y, x]] = True
    stays[0] = False
    return np.asarray(stays[labels], dtype=np.bool_)


def touches_border(mask: Mask) -> bool:
    """Whether the mask reaches the edge of the image, so that the object may go on outside it."""
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
