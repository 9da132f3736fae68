"""Where an object probably is before MobileSAM is asked: its propagated mask, its colours, what others show.

Model: log odds of place and of colour per pixel, added as if they were independent. Near the propagated edge
place says little and the colours decide, so that a mask can grow back over what was hidden or has turned into
sight; far away the place decides. Units: working pixels, natural logarithms.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.images.color_histograms import ColorBins, color_histogram, color_likelihood
from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.config import ForegroundPriorConfig
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Mask

ProbabilityMap = NDArray[np.float32]


def estimate_foreground_prior(
    track: Track, bins: ColorBins, occupied: Mask, config: ForegroundPriorConfig
) -> ProbabilityMap:
    """The probability f32 (h, w) that a pixel shows the object; `occupied` (h, w) is what other objects show.

    The hidden part of the object has no odds of place.
    """
    visible, amodal = track.visible_mask, track.amodal_mask | track.visible_mask
    size = float(np.sqrt(max(mask_area(amodal), 1)))
    missing = float(np.sqrt(track.area)) - size
    reach = max(config.edge_share * size, config.missing_share * missing, config.min_edge)
    inner = cv2.distanceTransform(visible.astype(np.uint8), cv2.DIST_L2, 3)
    outer = cv2.distanceTransform((~amodal).astype(np.uint8), cv2.DIST_L2, 3)
    place = np.clip(inner / reach, 0, config.max_inside_odds)
    place = place + np.clip(-outer / reach, config.min_outside_odds, 0)
    ring = (outer > 0) & (outer < config.ring_share * size) & ~occupied
    # what comes into sight has the object's colours and must not count as its surroundings
    outside = color_histogram(bins, ~amodal & ~occupied)
    ring &= color_likelihood(bins, track.histogram, outside) < config.max_ring_likelihood
    own, around = track.histogram + 1e-5, color_histogram(bins, ring) + 1e-5
    color = np.clip(np.log(own / around), -config.max_color_odds, config.max_color_odds)[bins]
    odds = place + cv2.blur(color, (3, 3)) + np.where(occupied & ~visible, config.occupied_odds, 0)
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def soft_iou(mask: Mask, prior: ProbabilityMap) -> float:
    """Soft intersection over union of a mask and a prior of the same shape, 0..1."""
    inner = float(prior[mask].sum())
    # improbable pixels far from the object must not add up against it
    outer = float(np.where(prior > 0.5, prior, 0)[~mask].sum())
    return inner / max(mask_area(mask) + outer, 1e-6)
