"""What changes in a mask for one frame alone, while the image does not.

An object that moves and bends changes from frame to frame, and more so the longer frames are apart: an arm
that goes up and down within a third of a second is in one of three frames at 6 per second. What is gone or
added in one frame, and not in those before and after it, is an error of the mask where the image shows the
same in all three, moved by optical flow. Where it shows something else, nobody knows, and these pixels count
neither way. This is what stays alike at 30, 15 and 6 frames per second (docs/benchmarks/datasets.md).
"""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask

# one pixel along the outline is the resolution of masks and no flicker
RIM = np.ones((3, 3), np.uint8)
# grey levels, mean of 3 x 3 pixels, by which an image may differ from its neighbour and show the same; chosen
SAME_LUMA = 12.0
# share of a mask that is taken for steady beside what was compared: where hardly anything can be compared, a
# few pixels do not decide; chosen
STEADY_SHARE = 0.1

Floats = NDArray[np.float32]
Luma = NDArray[np.uint8]


class MaskChange(NamedTuple):
    """A mask's pixels, the share of them that was compared, and those that changed for one frame alone."""

    area: int
    compared: float
    flips: int


class MaskGrowth(NamedTuple):
    """Pixels that a mask gained and lost since the frame before, where the image shows something else."""

    gained: int
    lost: int


def measure_flicker(changes: Iterable[MaskChange]) -> float | None:
    """The mean share of what was compared of a mask that changed for one frame alone.

    None where nothing could be compared.
    """
    rows = np.array([*changes], np.float64).reshape(-1, 3)
    if not rows[:, 1].any():
        return None
    share = rows[:, 2].mean() / max(1.0, float(np.median(rows[:, 0])))
    return float(share / (rows[:, 1].mean() + STEADY_SHARE))


def find_explained(before: Luma, now: Luma, after: Luma, came_from: Floats, came_back: Floats) -> Mask:
    """Where an image (H, W) shows what its neighbours show, moved to it."""
    explained = np.ones(now.shape, np.bool_)
    for other, places in ((before, came_from), (after, came_back)):
        explained &= find_same(other, now, places)
    return explained


def find_same(other: Luma, now: Luma, places: Floats) -> Mask:
    """Where an image (H, W) shows what another one shows at `places` (H, W, 2), xy."""
    moved = cv2.remap(other, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    difference = cv2.blur(cv2.absdiff(moved, now).astype(np.float32), (3, 3))
    return np.asarray(difference < SAME_LUMA, np.bool_)


def measure_growth(before: Mask, now: Mask, came_from: Floats, explained: Mask) -> MaskGrowth:
    """What a mask gained and lost since the frame before outside of what is `explained`, see `find_same`."""
    old = warp_mask(before, came_from)
    gained, lost = now & ~old & ~explained, old & ~now & ~explained
    return MaskGrowth(int(np.count_nonzero(gained)), int(np.count_nonzero(lost)))


def compare_masks(
    before: Mask, now: Mask, after: Mask, came_from: Floats, came_back: Floats, explained: Mask
) -> MaskChange:
    """How a mask differs from both of its neighbours, moved to it, without rims of one pixel.

    `came_from` and `came_back` say where its pixels are in the frame before and the one after (see
    `warp_mask`), `explained` where the images show the same. Flow loses what moves by more than its own size,
    so neighbours that are shifted to the same centre count where they fit better.
    """
    old, new = warp_mask(before, came_from), warp_mask(after, came_back)
    region = now | old | new
    compared = int(np.count_nonzero(region & explained)) / max(1, int(np.count_nonzero(region)))
    flips = _count_common(now, old, new, explained)
    if flips:
        center = _find_center(now)
        everywhere = np.ones_like(explained)
        flips = min(
            flips, _count_common(now, _shift_to(before, center), _shift_to(after, center), everywhere)
        )
    return MaskChange(int(np.count_nonzero(now)), compared, flips)


def warp_mask(mask: Mask, came_from: Floats) -> Mask:
    """A mask of another frame as the motion moves it to this one.

    `came_from` f32 (H, W, 2) is where each pixel is in that frame, xy.
    """
    moved = cv2.remap(mask.astype(np.uint8), came_from, None, cv2.INTER_NEAREST, borderValue=0)
    return np.asarray(moved > 0)


def _count_common(now: Mask, before: Mask, after: Mask, where: Mask) -> int:
    apart = (now ^ before) & (now ^ after) & where
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
