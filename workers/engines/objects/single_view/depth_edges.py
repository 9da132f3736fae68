"""Which values of a depth map are an object's own: near its outline, pixels mix with what lies behind it.

Thin things and sharp rims consist of such pixels, so each one is looked at. A mixed value differs from its
neighbours; a mask that is too wide shows the background, as the pixels beyond it do.
"""

from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.geometry.boxes import mask_extent
from workers.geometry.cameras import Camera

Mask = NDArray[np.bool_]
# Depth within so many pixels of the rim may mix with the background.
EDGE_PIXELS = 1.5
# Neighbours are pixels at most so far away; values within this share of the object's size resemble each
# other; so many of the object's own neighbours must resemble a value at the rim.
NEIGHBOURHOOD, RESEMBLANCE, MIN_RESEMBLING = 2, 0.03, 3


def find_own_depth(depth: NDArray[np.float32], mask: Mask, camera: Camera) -> Mask:
    """Pixels (H, W) of a non-empty mask whose z (H, W) in metres is usable and the object's own."""
    x0, y0, x1, y1 = mask_extent(mask)
    # the crop has a border, so that windows stay inside it
    margin = NEIGHBOURHOOD
    inside = np.pad(mask[y0:y1, x0:x1], margin)
    known = np.isfinite(depth) & (depth > 0)
    left, top = min(x0, margin), min(y0, margin)
    window = np.s_[y0 - top : y1 + margin, x0 - left : x1 + margin]
    values = np.full(inside.shape, np.nan)
    cropped = np.where(known, depth, np.nan)[window]
    values[margin - top :, margin - left :][: cropped.shape[0], : cropped.shape[1]] = cropped
    usable = inside & np.isfinite(values)
    own = np.zeros(mask.shape, dtype=np.bool_)
    if not usable.any():
        return own
    deep = cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1] > EDGE_PIXELS
    size = max(x1 - x0, y1 - y0) / camera.focal_length * float(np.median(values[usable]))
    kept = usable & deep
    rows, columns = np.nonzero(usable & ~deep)
    kept[rows, columns] = _resemble_object(values, inside, deep, rows, columns, RESEMBLANCE * size)
    own[y0:y1, x0:x1] = kept[margin:-margin, margin:-margin]
    return own


def _resemble_object(
    values: NDArray[np.float64],
    inside: Mask,
    deep: Mask,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    reach: float,
) -> Mask:
    """Which of the pixels (E,) at the rim of a crop show the object rather than what lies behind it."""
    reached = range(-NEIGHBOURHOOD, NEIGHBOURHOOD + 1)
    steps = np.array([step for step in product(reached, reached) if step != (0, 0)])
    at = rows[:, None] + steps[:, 0], columns[:, None] + steps[:, 1]
    near = np.abs(values[at] - values[rows, columns][:, None]) <= reach
    own, beyond = inside[at], np.isfinite(values[at]) & ~inside[at]
    supported = (near & own).sum(axis=1) >= MIN_RESEMBLING
    resembles_deep = (near & own & deep[at]).any(axis=1)
    # without values beyond the rim, nothing is known of a background
    is_foreign = (near & beyond).any(axis=1) | (beyond.any(axis=1) & ~resembles_deep)
    return np.asarray(supported & ~is_foreign, dtype=np.bool_)
