"""What a keyframe does to one track: correct it, find it again by its colours, take it back."""

import numpy as np

from workers.engines.concepts.appearance import Bins, histogram, locate
from workers.engines.concepts.flow import Soft
from workers.engines.concepts.foreground_prior import agreement, belief
from workers.engines.concepts.masks import area_of
from workers.engines.concepts.picodet import Detection
from workers.engines.concepts.reid import (
    FOREIGN_LOOK,
    KNOWN_LOOK,
    OCCLUDED_SHARE,
    RECENT,
    SAME_LOOK,
    WHOLE_SHARE,
    resemblance,
)
from workers.engines.concepts.reprompt import Answer, Reprompter
from workers.engines.concepts.tracks import Track
from workers.engines.protocols import Mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

LEARN = 0.2
# the least share of a lost object that is worth a look
PART = 0.12


def correct(track: Track, asking: Reprompter, bins: Bins, hit: Detection | None, taken: Mask) -> float:
    """Replace a carried mask by what MobileSAM sees there, if that is the same object.

    `hit` is the detection of this object, in working pixels; `taken` (h, w) is what other objects show. The
    usual look and size are learnt only from an object that is surely seen. Gives the IoU of the carried mask
    with what it was replaced by, 0 if nothing fitted.
    """
    carried = track.mask
    probable = belief(track, bins, taken)
    answer = asking.correct(track, probable, hit)
    mask = answer.mask
    area, fits = float(area_of(mask)), resemblance(track, bins, mask)
    own = hit is not None or area_of(mask & taken) < 0.5 * area
    better = agreement(mask, probable) > min(0.9 * agreement(track.mask, probable), 0.6)
    accepted = own and better and fits > FOREIGN_LOOK
    if accepted:
        complete = area > WHOLE_SHARE * area_of(track.whole)
        track.soft = answer.soft if complete else np.maximum(track.soft, answer.soft)
        track.visible = answer.soft
        if fits > SAME_LOOK and area > OCCLUDED_SHARE * track.area:
            track.look = (1 - LEARN) * track.look + np.float32(LEARN) * histogram(bins, mask)
            track.area = (1 - LEARN) * track.area + LEARN * area
    if hit is not None:
        track.score, track.missed = hit.score, 0
    elif accepted and track.label is None:
        track.score, track.missed = answer.score, 0
    else:
        track.missed += 1
    return mask_iou(carried, mask) if accepted else 0.0


def search(track: Track, asking: Reprompter, bins: Bins, taken: Mask, now: int) -> None:
    """Look for a lost object that only a click named: where it was heading, then wherever its colours are.

    Nothing is found inside what is `taken` (h, w).
    """
    places = [(box, KNOWN_LOOK) for box, _ in locate(bins, track.look, track.area, taken, PART)]
    if now - track.lost_at <= RECENT and track.whole.any():
        places.insert(0, (bounding_box(track.whole), SAME_LOOK))
    for box, least in places:
        answer = asking.find(box)
        mask = answer.mask
        share = area_of(mask) / track.area
        if not PART / 2 < share < 3 or area_of(mask & taken) > 0.3 * area_of(mask):
            continue
        if resemblance(track, bins, mask) >= least:
            recover(track, answer, answer.score)
            return


def sighted(track: Track, bins: Bins, taken: Mask) -> bool:
    """Whether something has the colours of a lost object, so that a keyframe may find it."""
    found = locate(bins, track.look, track.area, taken, PART)
    return any(resemblance(track, bins, blob) >= KNOWN_LOOK for _, blob in found)


def replace(track: Track, soft: Soft, bins: Bins, score: float) -> None:
    """What the user says an object is: its mask u8 (h, w), and all that is learnt from one."""
    track.soft = track.visible = soft
    track.look, track.area = histogram(bins, track.mask), float(max(area_of(track.mask), 1))
    track.score, track.missed, track.lost_at = score, 0, -1


def recover(track: Track, answer: Answer, score: float) -> None:
    """A lost object is seen again."""
    track.soft = track.visible = answer.soft
    track.score, track.missed, track.lost_at = score, 0, -1
