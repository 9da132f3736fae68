"""When a tracker believes that two looks show one object."""

from collections.abc import Sequence

import numpy as np

from workers.engines.concepts.appearance import Bins, Histogram, histogram, part_similarity, similarity
from workers.engines.concepts.masks import area_of
from workers.engines.concepts.tracks import Track
from workers.engines.protocols import Mask
from workers.geometry.overlap import mask_iou

SAME_LOOK = 0.75
# without a class to go by, colours must fit well
KNOWN_LOOK = 0.88
FOREIGN_LOOK = 0.4
WHOLE_SHARE = 0.75
OCCLUDED_SHARE = 0.5
RECENT = 15


def resemblance(track: Track, bins: Bins, mask: Mask) -> float:
    """How well a mask's colours fit a track, as the whole object or, when less is seen, as a part of it."""
    look: Histogram = histogram(bins, mask)
    whole = similarity(track.look, look)
    share = area_of(mask) / track.area
    return max(whole, part_similarity(track.look, look, share)) if 0 < share < WHOLE_SHARE else whole


def returns(track: Track, bins: Bins, mask: Mask, now: int) -> float:
    """How well a new mask fits a lost track, 0 if not; where it was just lost, less of a likeness will do."""
    fit = resemblance(track, bins, mask)
    near = area_of(mask & track.whole) > 0.3 * area_of(mask)
    just = now - track.lost_at <= RECENT
    return fit if fit >= (FOREIGN_LOOK if near and just else SAME_LOOK) else 0.0


def covers(known: Mask, new: Mask) -> bool:
    """Whether a known object explains a new mask."""
    return area_of(known & new) > 0.7 * max(area_of(new), 1) or mask_iou(known, new) > 0.4


def taken_by(tracks: Sequence[Track], size: tuple[int, ...]) -> Mask:
    """The pixels (h, w) that some track shows now."""
    taken = np.zeros(size, np.bool_)
    for track in tracks:
        taken |= track.mask
    return taken
