"""What of a moving object is hidden: pixels that neither move nor look like it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.appearance import Bins, histogram, likelihood
from workers.engines.concepts.flow import Carried, Soft, warp
from workers.engines.concepts.tracks import Track
from workers.geometry.overlap import mask_iou

SAME_COLOUR = 18.0
NEARLY_EQUAL = 0.75


def visible_part(track: Track, carried: Carried, bins: Bins) -> Soft:
    """The soft mask u8 (h, w) of the carried object without what is hidden in the new frame.

    A pixel that was seen is still seen when its colour came along with it, when dense flow brings it from the
    object, or when it fits the object's colours; one that was hidden is seen again when its colour speaks for
    the object and not for what is around it.
    """
    whole = np.asarray(carried.soft > 127, dtype=np.bool_)
    if not whole.any():
        return np.zeros_like(carried.soft)
    around = cv2.dilate(whole.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(np.bool_) & ~whole
    fit = likelihood(bins, track.look, histogram(bins, around))
    was_seen = warp(track.visible, carried.source) > 127
    seen = np.where(was_seen, (carried.error < SAME_COLOUR) | carried.inner | (fit > 0.6), fit > 0.6)
    share = cv2.blur((seen & whole).astype(np.float32), (7, 7))
    inside = cv2.blur(whole.astype(np.float32), (7, 7))
    keep = share >= 0.5 * inside
    return np.where(keep, carried.soft, 0).astype(np.uint8)


def part_ways(tracks: Sequence[Track], errors: dict[int, NDArray[np.float32]], bins: Bins) -> None:
    """Give each region that two objects claim to the one in front; `visible` is changed in place.

    The one in front is the one whose motion (`errors` by track id, where known) and usual colours explain
    what is there. Two nearly equal masks under different prompts show one object, and both stay.
    """
    for index, one in enumerate(tracks):
        for two in tracks[index + 1 :]:
            disputed = one.mask & two.mask
            if not disputed.any() or (
                one.prompt != two.prompt and mask_iou(one.mask, two.mask) > NEARLY_EQUAL
            ):
                continue
            vote = float(likelihood(bins, one.look, two.look)[disputed].mean()) - 0.5
            if one.id in errors and two.id in errors:
                mine, other = float(errors[one.id][disputed].mean()), float(errors[two.id][disputed].mean())
                vote += (other - mine) / (other + mine + 5.0)
            loser = two if vote >= 0 else one
            loser.visible = np.where(disputed, 0, loser.visible).astype(np.uint8)
