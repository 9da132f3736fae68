"""Joining tracklets of one object under one id, on strong evidence alone.

Where a track was divided, the object that it lost may go on under another id, and the object that it took may
have had another id before. Two tracklets are joined where one of them was cut at that end, the later one
begins soon after the earlier one ends, within reach, they look alike, and nobody else looks nearly as alike.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.gates.tracklets import SAME_OBJECT, Tracklet

# seconds for which an object may be out of sight; chosen
LONGEST_ABSENCE = 4.0
# diagonals of its box by which it may move at once, and per second: people walk 0.8; chosen
REACH, SPEED = 0.5, 1.0
# by how much (similarity, 0..1) it looks more like its own other tracklet than like any other; chosen
LEAD = 0.03

# the places of two tracklets, the earlier one first
Pair = tuple[int, int]


def join_tracklets(
    tracklets: Sequence[Tracklet], stats: Mapping[int, TrackStats], times: Sequence[float]
) -> list[list[Tracklet]]:
    """The tracklets of each object in order of time, by the order of their first ones in `tracklets`.

    `stats` are those of all tracks, `times` those of the clip's frames in seconds.
    """
    pairs = {
        (one, two): tracklets[one].measure_similarity(tracklets[two])
        for one in range(len(tracklets))
        for two in range(len(tracklets))
        if _was_cut(tracklets, one, two) and _can_follow(tracklets[one], tracklets[two], stats, times)
    }
    after = _choose_pairs(pairs)
    later = set(after.values())
    chains = []
    for first in range(len(tracklets)):
        if first in later:
            continue
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        chains.append([tracklets[place] for place in chain])
    return chains


def _was_cut(tracklets: Sequence[Tracklet], one: int, two: int) -> bool:
    """Whether the first one's track goes on after it, or the second one's track began before it."""
    goes_on = one + 1 < len(tracklets) and tracklets[one + 1].track == tracklets[one].track
    began_before = two > 0 and tracklets[two - 1].track == tracklets[two].track
    return one != two and (goes_on or began_before)


def _can_follow(
    one: Tracklet, two: Tracklet, stats: Mapping[int, TrackStats], times: Sequence[float]
) -> bool:
    """Whether the object of one tracklet can be where and when the other one begins."""
    old, new = stats[one.track], stats[two.track]
    last, first = one.places[-1], two.places[0]
    absence = times[new.frames[first]] - times[old.frames[last]]
    if old.prompt != new.prompt or not 0 < absence <= LONGEST_ABSENCE:
        return False
    before, now = np.asarray(old.boxes[last]), np.asarray(new.boxes[first])
    shift = np.linalg.norm((before[:2] + before[2:] - now[:2] - now[2:]) / 2)
    size = max(np.linalg.norm(box[2:] - box[:2]) for box in (before, now))
    return bool(shift <= (REACH + SPEED * absence) * size)


def _choose_pairs(pairs: Mapping[Pair, float]) -> dict[int, int]:
    """Which tracklet follows which: the most alike first, while no other pair of either comes near."""
    after: dict[int, int] = {}
    for (one, two), similarity in sorted(pairs.items(), key=lambda item: (-item[1], item[0])):
        if similarity < SAME_OBJECT or one in after or two in after.values():
            continue
        rivals = (
            other
            for (first, second), other in pairs.items()
            if (first == one) != (second == two) and first not in after and second not in after.values()
        )
        if similarity - max(rivals, default=0.0) >= LEAD:
            after[one] = two
    return after
