"""Which part of a propagated object is hidden, and which of two objects is in front.

Model: a pixel is hidden when it neither moves nor looks like the object; neighbouring pixels vote. Units:
working pixels, grey levels.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.images.color_histograms import ColorBins, color_histogram, color_likelihood
from workers.engines.concepts.tracking.config import VisibilityConfig
from workers.engines.concepts.tracking.mask_propagation import PropagatedMask, warp_mask
from workers.engines.concepts.tracking.soft_masks import SoftMask, threshold_mask
from workers.engines.concepts.tracking.state import Track


def estimate_visible_part(
    track: Track, propagated: PropagatedMask, bins: ColorBins, config: VisibilityConfig
) -> SoftMask:
    """The soft mask u8 (h, w) of the propagated object without what is hidden in the new frame.

    A pixel that was visible stays visible when its colour came along with it, when dense flow brings it from
    the object, or when it fits the object's colours. A pixel that was hidden becomes visible when its colour
    speaks for the object and not for its surroundings.
    """
    amodal = threshold_mask(propagated.amodal)
    if not amodal.any():
        return np.zeros_like(propagated.amodal)
    square = np.ones((config.surroundings_side, config.surroundings_side), np.uint8)
    surroundings = cv2.dilate(amodal.astype(np.uint8), square).astype(np.bool_) & ~amodal
    likelihood = color_likelihood(bins, track.histogram, color_histogram(bins, surroundings))
    fits = likelihood > config.min_color_likelihood
    was_visible = warp_mask(track.visible, propagated.source) > 127
    came_along = propagated.color_error < config.max_color_error
    visible = np.where(was_visible, came_along | propagated.from_object | fits, fits)
    window = config.vote_side, config.vote_side
    votes = cv2.blur((visible & amodal).astype(np.float32), window)
    voters = cv2.blur(amodal.astype(np.float32), window)
    keep = votes >= config.vote_share * voters
    return np.where(keep, propagated.amodal, 0).astype(np.uint8)


def resolve_overlaps(
    tracks: Sequence[Track],
    color_errors: dict[int, NDArray[np.float32]],
    bins: ColorBins,
    config: VisibilityConfig,
) -> None:
    """Give each region that two objects claim to the one in front; changes `visible` of the other one.

    The object in front is the one whose motion (`color_errors` f32 (h, w) by track id, where known) and usual
    colours explain the region. Two prompts that named one object both keep its mask.
    """
    for index, one in enumerate(tracks):
        for two in tracks[index + 1 :]:
            contested = one.visible_mask & two.visible_mask
            if not contested.any() or one.shows_same_object(two):
                continue
            vote = float(color_likelihood(bins, one.histogram, two.histogram)[contested].mean()) - 0.5
            if one.id in color_errors and two.id in color_errors:
                first = float(color_errors[one.id][contested].mean())
                second = float(color_errors[two.id][contested].mean())
                vote += (second - first) / (second + first + config.error_damping)
            behind = two if vote >= 0 else one
            behind.visible = np.where(contested, 0, behind.visible).astype(np.uint8)
