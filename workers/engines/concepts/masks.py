"""Operations on masks (H, W) of a mask decoder: area, clipping to a box, removal of specks and pinholes."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask
from workers.geometry.boxes import mask_extent

# components and holes below this share of the mask are noise of the decoder; chosen, not measured
SPECK_SHARE = 0.01
STRIP_ROWS = 256


def mask_area(mask: Mask) -> int:
    """The number of pixels of a mask."""
    return int(np.count_nonzero(mask))


def clip_mask(mask: Mask, box: Box, margin: float) -> Mask:
    """The part of a mask inside a box that is enlarged on each side by `margin` times the box's own side."""
    dx, dy = margin * (box[2] - box[0]), margin * (box[3] - box[1])
    x0, y0 = max(int(np.floor(box[0] - dx)), 0), max(int(np.floor(box[1] - dy)), 0)
    x1, y1 = int(np.ceil(box[2] + dx)), int(np.ceil(box[3] + dy))
    out = np.zeros_like(mask)
    out[y0:y1, x0:x1] = mask[y0:y1, x0:x1]
    return out


def remove_specks(mask: Mask, keep: NDArray[np.float64] | None = None) -> Mask:
    """Drop components and fill holes below 1% of the mask; components under the points `keep` (N, 2) stay."""
    if not mask.any():
        return mask
    x0, y0, x1, y1 = mask_extent(mask)
    part = np.pad(mask[y0:y1, x0:x1], 1)
    min_area = SPECK_SHARE * np.count_nonzero(part)
    points = [] if keep is None else [(int(y) - y0 + 1, int(x) - x0 + 1) for x, y in keep]
    part = _keep_components(part, min_area, points)
    np.logical_not(part, out=part)
    part = _keep_components(part, min_area, [])
    np.logical_not(part, out=part)
    out = np.zeros_like(mask)
    out[y0:y1, x0:x1] = part[1:-1, 1:-1]
    return out


def _keep_components(part: Mask, min_area: float, points: list[tuple[int, int]]) -> Mask:
    """The 8-connected components of at least `min_area` pixels, or under a point (row, column)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(part.view(np.uint8), connectivity=8)
    stays = stats[:count, cv2.CC_STAT_AREA] >= min_area
    for y, x in points:
        if 0 <= y < part.shape[0] and 0 <= x < part.shape[1]:
            stays[labels[y, x]] = True
    stays[0] = False
    kept = np.empty(part.shape, np.bool_)
    for top in range(0, len(kept), STRIP_ROWS):
        # an index of all pixels would take eight bytes for each
        kept[top : top + STRIP_ROWS] = stays[labels[top : top + STRIP_ROWS]]
    return kept
