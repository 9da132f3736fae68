"""What changes in a mask for one frame alone.

An object that moves and bends changes from frame to frame, and more so the longer frames are apart. What is
gone or added in one frame, and not in those before and after it, is no motion but an error of the mask: this
is what stays alike at 30, 15 and 6 frames per second (docs/benchmarks/datasets.md).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask

# one pixel along the outline is the resolution of masks and no flicker
RIM = np.ones((3, 3), np.uint8)

Floats = NDArray[np.float32]


def count_flips(before: Mask, now: Mask, after: Mask, came_from: Floats, came_back: Floats) -> int:
    """Pixels on which a mask differs from both of its neighbours, moved to it, without rims of one pixel.

    `came_from` and `came_back` say where its pixels are in the frame before and the one after (see
    `warp_mask`). Flow loses what moves by more than its own size, so neighbours that are shifted to the same
    centre count where they fit better.
    """
    by_flow = _count_common(now, warp_mask(before, came_from), warp_mask(after, came_back))
    if by_flow == 0:
        return 0
    center = _find_center(now)
    by_shift = _count_common(now, _shift_to(before, center), _shift_to(after, center))
    return min(by_flow, by_shift)


def warp_mask(mask: Mask, came_from: Floats) -> Mask:
    """A mask of another frame as the motion moves it to this one.

    `came_from` f32 (H, W, 2) is where each pixel is in that frame, xy.
    """
    moved = cv2.remap(mask.astype(np.uint8), came_from, None, cv2.INTER_NEAREST, borderValue=0)
    return np.asarray(moved > 0)


def _count_common(now: Mask, before: Mask, after: Mask) -> int:
    apart = (now ^ before) & (now ^ after)
    return int(np.count_nonzero(cv2.morphologyEx(apart.astype(np.uint8), cv2.MORPH_OPEN, RIM)))


def _find_center(mask: Mask) -> NDArray[np.float64]:
    """The mean of a mask's pixels, xy."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])


def _shift_to(mask: Mask, center: NDArray[np.float64]) -> Mask:
    x, y = center - _find_center(mask)
    size = mask.shape[1], mask.shape[0]
    moved = cv2.warpAffine(
        mask.astype(np.uint8), np.array([[1, 0, x], [0, 1, y]]), size, flags=cv2.INTER_NEAREST
    )
    return np.asarray(moved > 0)
