"""One chain of tracklets per object: which tracklet goes on with the object of which.

Model: every tracklet is followed by one other at most and follows one at most, so two chains never share an
object. Of all such assignments, the one with the greatest sum of log odds is taken (the Hungarian method).
Of its links those are kept without which the best assignment would be clearly worse: where another one
explains everything nearly as well, nobody knows.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workers.datasets.gates.link_odds import measure_links
from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.gates.tracklets import Tracklet

# by how much (natural logarithm of odds) a link has to be better than the best assignment without it: ten to
# one. On the first 20 s of a yard 2 to 2.6 give the same tracks
CLEAR = float(np.log(10))

# the places of two tracklets, the earlier one first
Pair = tuple[int, int]


def join_tracklets(
    tracklets: Sequence[Tracklet], stats: Mapping[int, TrackStats], times: Sequence[float]
) -> list[list[Tracklet]]:
    """The tracklets of each object in order of time, by the order of their first ones in `tracklets`.

    `tracklets` are in order of tracks and of time, `stats` are those of all tracks, `times` those of the
    clip's frames in seconds.
    """
    links = {pair: odds for pair, odds in measure_links(tracklets, stats, times).items() if odds > 0}
    after = {one: two for group in _group(links, len(tracklets)) for one, two in _choose_clear(group)}
    chains = []
    for first in sorted(set(range(len(tracklets))) - set(after.values())):
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        chains.append([tracklets[place] for place in chain])
    return chains


def _group(links: Mapping[Pair, float], count: int) -> list[dict[Pair, float]]:
    """The links among so many tracklets in groups that share no tracklet: each is assigned by itself."""
    if not links:
        return []
    rows, columns = np.array(list(links)).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    out: dict[int, dict[Pair, float]] = {}
    for pair, odds in links.items():
        out.setdefault(int(groups[pair[0]]), {})[pair] = odds
    return list(out.values())


def _choose_clear(links: Mapping[Pair, float]) -> Iterable[Pair]:
    """The links of the best assignment that are clearly better than every assignment without them."""
    best, chosen = _assign(links)
    for pair in chosen:
        others = {other: odds for other, odds in links.items() if other != pair}
        if best - _assign(others)[0] >= CLEAR:
            yield pair


def _assign(links: Mapping[Pair, float]) -> tuple[float, list[Pair]]:
    """The assignment with the greatest sum of log odds, and that sum."""
    olds, news = sorted({one for one, _ in links}), sorted({two for _, two in links})
    values = np.zeros((len(olds), len(news)))
    for (one, two), odds in links.items():
        values[olds.index(one), news.index(two)] = odds
    rows, columns = linear_sum_assignment(-values)
    chosen = [(olds[row], news[column]) for row, column in zip(rows, columns, strict=True)]
    return float(values[rows, columns].sum()), [pair for pair in chosen if pair in links]
