"""Re-identification: whether a mask shows a known object, and where a lost object may be.

Model: an object's appearance is its colour histogram; a smaller mask is compared as a part of the object.
Units: working pixels, scores in 0..1.
"""

import cv2
import numpy as np

from workers.engines.concepts.images.color_histograms import (
    ColorBins,
    color_histogram,
    color_likelihood,
    histogram_similarity,
    part_similarity,
)
from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.config import ReidConfig, TrackerConfig
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Box, Mask
from workers.geometry.overlap import mask_iou


def appearance_score(track: Track, bins: ColorBins, mask: Mask, config: TrackerConfig) -> float:
    """How well the colours of a mask (h, w) fit a track, or, for a smaller mask, a part of it."""
    histogram = color_histogram(bins, mask)
    complete = histogram_similarity(track.histogram, histogram)
    share = mask_area(mask) / track.area
    if 0 < share < config.visibility.complete_share:
        return max(complete, part_similarity(track.histogram, histogram, share))
    return complete


def reidentification_score(
    track: Track, bins: ColorBins, mask: Mask, frame: int, config: TrackerConfig
) -> float:
    """How well a new mask (h, w) fits a lost track, 0 if it does not.

    Where the object was expected shortly after it was lost, a lower appearance score is enough.
    """
    reid = config.reid
    score = appearance_score(track, bins, mask, config)
    is_near = mask_area(mask & track.amodal_mask) > reid.near_share * mask_area(mask)
    is_recent = frame - track.lost_at <= reid.recent_frames
    return score if score >= (reid.min_appearance if is_near and is_recent else reid.same_appearance) else 0.0


def is_explained(known: Mask, new: Mask, config: ReidConfig) -> bool:
    """Whether a known object's mask explains a new mask, so that the new one is no other object."""
    covered = mask_area(known & new)
    return (
        covered > config.explained_share * max(mask_area(new), 1)
        or mask_iou(known, new) > config.explained_iou
    )


def is_in_sight(track: Track, bins: ColorBins, occupied: Mask, config: TrackerConfig) -> bool:
    """Whether something has the colours of a lost object, so that a key frame may find it."""
    return any(
        appearance_score(track, bins, blob, config) >= config.reid.color_only_appearance
        for _, blob in locate_by_color(track, bins, occupied, config.reid)
    )


def locate_by_color(
    track: Track, bins: ColorBins, occupied: Mask, config: ReidConfig
) -> list[tuple[Box, Mask]]:
    """Blobs outside `occupied` (h, w) whose colours fit a track, with their boxes, most alike first."""
    free = ~occupied
    likelihood = color_likelihood(bins, track.histogram, color_histogram(bins, free)) * free
    side = max(3, round(float(np.sqrt(track.area)) / 6) | 1)
    smooth = cv2.blur(likelihood, (side, side))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (smooth > config.min_blob_likelihood).astype(np.uint8), connectivity=8
    )
    smallest = max(config.min_part_share * track.area, config.min_blob_pixels)
    largest = config.max_blob_ratio * track.area
    blobs: list[tuple[float, Box, Mask]] = []
    areas = stats[1:count, cv2.CC_STAT_AREA]
    for index in (np.argsort(-areas, kind="stable")[: config.examined_blobs] + 1).tolist():
        x, y, width, height, area = (int(value) for value in stats[index])
        if smallest <= area <= largest:
            blob = np.asarray(labels == index, dtype=np.bool_)
            score = histogram_similarity(track.histogram, color_histogram(bins, blob))
            blobs.append((score, (float(x), float(y), float(x + width), float(y + height)), blob))
    blobs.sort(key=lambda item: (-item[0], item[1]))
    return [(box, blob) for _, box, blob in blobs[: config.returned_blobs]]
