"""What a key frame and a visual prompt change in one track. Units: working pixels."""

from collections.abc import Sequence

import numpy as np

from workers.engines.concepts.images.color_histograms import ColorBins, color_histogram
from workers.engines.concepts.images.picodet import Detection
from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.foreground_prior import estimate_foreground_prior, soft_iou
from workers.engines.concepts.tracking.reid import appearance_score, locate_by_color
from workers.engines.concepts.tracking.reprompting import DecodedMask, Reprompter
from workers.engines.concepts.tracking.soft_masks import SoftMask, threshold_mask
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou


def start_track(
    number: int,
    mask: SoftMask,
    bins: ColorBins,
    *,
    prompt: int,
    label: str | None,
    score: float,
    frame: int,
    interval: int,
) -> Track:
    """A new track whose object shows the mask u8 (h, w) on the frame of that number."""
    visible = threshold_mask(mask)
    return Track(
        id=number,
        strand=number,
        prompt=prompt,
        label=label,
        score=score,
        amodal=mask,
        visible=mask,
        histogram=color_histogram(bins, visible),
        area=float(max(mask_area(visible), 1)),
        corrected_at=frame,
        interval=interval,
    )


def find_twin(track: Track, others: Sequence[Track], config: TrackerConfig) -> int:
    """The id of the object of another prompt whose mask a new track shows, 0 for none."""
    for other in others:
        is_other = other is not track and other.prompt != track.prompt
        if is_other and mask_iou(other.visible_mask, track.visible_mask) > config.visibility.same_object_iou:
            return other.twin or other.id
    return 0


def correct_track(
    track: Track,
    reprompter: Reprompter,
    bins: ColorBins,
    detection: Detection | None,
    occupied: Mask,
    config: TrackerConfig,
) -> float:
    """Replace a propagated mask by MobileSAM's answer, if that shows the same object.

    `detection` is the detection of this object, `occupied` (h, w) what other objects show. The usual
    appearance and area are learnt only from an object that is surely seen. Returns the IoU of the propagated
    and the new mask, 0 where the answer was not accepted.
    """
    propagated = track.visible_mask
    prior = estimate_foreground_prior(track, bins, occupied, config.prior)
    answer = reprompter.correct(track, prior, detection)
    mask, area = answer.mask, float(mask_area(answer.mask))
    score = appearance_score(track, bins, mask, config)
    limits = config.correction
    is_own = detection is not None or mask_area(mask & occupied) < limits.max_occupied_share * area
    relative = limits.min_relative_agreement * soft_iou(propagated, prior)
    agrees = soft_iou(mask, prior) > min(relative, limits.sufficient_agreement)
    is_accepted = is_own and agrees and score > config.reid.min_appearance
    if is_accepted:
        _accept(track, answer, bins, score, config)
    if detection is None and is_accepted and track.label is None:
        track.score, track.missed = answer.score, 0
    elif detection is None:
        track.missed += 1
    return mask_iou(propagated, mask) if is_accepted else 0.0


def _accept(
    track: Track, answer: DecodedMask, bins: ColorBins, appearance: float, config: TrackerConfig
) -> None:
    mask, area = answer.mask, float(mask_area(answer.mask))
    is_complete = area > config.visibility.complete_share * mask_area(track.amodal_mask)
    track.amodal = answer.soft if is_complete else np.maximum(track.amodal, answer.soft)
    track.visible = answer.soft
    if appearance > config.reid.same_appearance and area > config.visibility.occluded_share * track.area:
        rate = config.correction.learning_rate
        histogram = color_histogram(bins, mask)
        track.histogram = (1 - rate) * track.histogram + np.float32(rate) * histogram
        track.area = (1 - rate) * track.area + rate * area


def search_lost_track(
    track: Track,
    reprompter: Reprompter,
    bins: ColorBins,
    occupied: Mask,
    frame: int,
    config: TrackerConfig,
) -> None:
    """Look for a lost object without a class: where it was heading, then wherever its colours are.

    Nothing is found inside what is `occupied` (h, w) by other objects; `frame` is the number of this frame.
    """
    reid = config.reid
    places = [(box, reid.color_only_appearance) for box, _ in locate_by_color(track, bins, occupied, reid)]
    if frame - track.lost_at <= reid.recent_frames and track.amodal_mask.any():
        places.insert(0, (bounding_box(track.amodal_mask), reid.same_appearance))
    for box, min_score in places:
        answer = reprompter.segment_box(box)
        area = mask_area(answer.mask)
        is_plausible = reid.min_part_share / 2 < area / track.area < reid.max_area_ratio
        if not is_plausible or mask_area(answer.mask & occupied) > reid.max_occupied_share * area:
            continue
        if appearance_score(track, bins, answer.mask, config) >= min_score:
            recover_track(track, answer, answer.score, frame)
            return


def reset_track(track: Track, mask: SoftMask, bins: ColorBins, score: float, frame: int) -> None:
    """Take a prompt's mask u8 (h, w) for the object, and learn its appearance and area from it."""
    track.amodal = track.visible = mask
    visible = track.visible_mask
    track.histogram, track.area = color_histogram(bins, visible), float(max(mask_area(visible), 1))
    track.score, track.missed, track.lost_at, track.rival = score, 0, -1, 0
    track.corrected_at = frame


def recover_track(track: Track, answer: DecodedMask, score: float, frame: int) -> None:
    """A lost object is seen again on the frame of that number."""
    track.amodal = track.visible = answer.soft
    track.score, track.missed, track.lost_at, track.corrected_at = score, 0, -1, frame
