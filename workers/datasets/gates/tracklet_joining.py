"""One chain of tracklets per object: which tracklet goes on with the object of which.

Model: every tracklet is followed by one other at most and follows one at most, so two chains never share an
object. Of all such assignments, the one with the greatest sum of similarities is taken (the Hungarian
method), among pairs that look alike, where the later one begins soon after the earlier one ends and within
reach. A track goes on by itself unless another tracklet looks more alike. A pair of two tracks also has to be
without a rival: where another one looks nearly as much alike, nobody knows.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.gates.tracklets import Tracklet

# similarity of two tracklets of a track (0..1) from which they may show one object: in the first 20 s of a
# yard with nine people, one object has 0.89 and more, two that meet have 0.85 and less. Of two tracks: people
# in dark clothes have up to 0.96 (docs/benchmarks/datasets.md)
SAME_OBJECT, SAME_IN_TWO_TRACKS = 0.87, 0.96
# seconds for which an object may be out of sight; chosen
LONGEST_ABSENCE = 4.0
# diagonals of its box by which it may move at once, and per second: people walk 0.8; chosen
REACH, SPEED = 0.5, 1.0
# what the complete reach costs (similarity, 0..1); its share counts squared, as for a Gaussian
FAR = 0.12
# by how much (similarity, 0..1) it looks more like its own other tracklet than like any other; chosen
LEAD = 0.03

# the places of two tracklets, the earlier one first
Pair = tuple[int, int]


def join_tracklets(
    tracklets: Sequence[Tracklet], stats: Mapping[int, TrackStats], times: Sequence[float]
) -> list[list[Tracklet]]:
    """The tracklets of each object in order of time, by the order of their first ones in `tracklets`.

    `tracklets` are in order of tracks and of time, `stats` are those of all tracks, `times` those of the
    clip's frames in seconds.
    """
    pairs = {}
    for one, old in enumerate(tracklets):
        for two, new in enumerate(tracklets):
            is_own = old.track == new.track
            similarity = old.measure_similarity(new)
            if similarity < (SAME_OBJECT if is_own else SAME_IN_TWO_TRACKS):
                continue
            if is_own and two == one + 1 and new.doubt <= LONGEST_ABSENCE:
                distance: float | None = 0.0
            else:
                distance = _measure_distance(old, new, stats, times)
            if distance is not None and distance <= 1:
                pairs[one, two] = similarity + (LEAD if is_own else 0.0) - FAR * distance**2
    after = _choose_pairs(pairs, len(tracklets))
    chains = []
    for first in sorted(set(range(len(tracklets))) - set(after.values())):
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        chains.append([tracklets[place] for place in chain])
    return chains


def _measure_distance(
    one: Tracklet, two: Tracklet, stats: Mapping[int, TrackStats], times: Sequence[float]
) -> float | None:
    """How far the object of one tracklet has to move until the other one begins, as a share of its reach.

    None where the other one begins too early or too late, or shows another concept.
    """
    old, new = stats[one.track], stats[two.track]
    last, first = one.places[-1], two.places[0]
    absence = times[new.frames[first]] - times[old.frames[last]]
    if old.prompt != new.prompt or not 0 < absence <= LONGEST_ABSENCE:
        return None
    before, now = np.asarray(old.boxes[last]), np.asarray(new.boxes[first])
    shift = np.linalg.norm((before[:2] + before[2:] - now[:2] - now[2:]) / 2)
    size = max(np.linalg.norm(box[2:] - box[:2]) for box in (before, now))
    return float(shift / ((REACH + SPEED * absence) * size))


def _choose_pairs(pairs: Mapping[Pair, float], count: int) -> dict[int, int]:
    """Which tracklet follows which, of so many."""
    values = np.zeros((count, count))
    for (one, two), value in pairs.items():
        values[one, two] = value
    rows, columns = linear_sum_assignment(-values)
    chosen = {
        int(one): int(two) for one, two in zip(rows, columns, strict=True) if (int(one), int(two)) in pairs
    }
    before = {two: one for one, two in chosen.items()}
    return {one: two for one, two in chosen.items() if _is_clear((one, two), pairs, chosen, before)}


def _is_clear(
    pair: Pair, pairs: Mapping[Pair, float], after: Mapping[int, int], before: Mapping[int, int]
) -> bool:
    """Whether neither tracklet of a pair looks nearly as much like another one that is left over."""
    one, two = pair
    rivals = (
        value
        for (first, second), value in pairs.items()
        if (first == one and second not in before) or (second == two and first not in after)
    )
    return pairs[pair] - max(rivals, default=0.0) >= LEAD
