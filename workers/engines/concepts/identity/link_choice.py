"""Which stretches go on with which, of all whose odds are known.

Model: every stretch is followed by one other at most and follows one at most, so two objects never share one.
Of all such assignments, the one with the greatest sum of log odds is taken (the Hungarian method). Of its
links those are kept without which the best assignment would be clearly worse: where another one explains
everything nearly as well, nobody knows.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# by how much (natural logarithm of odds) a link has to be better than the best assignment without it: ten to
# one. On the first 20 s of a yard 2 to 2.6 give the same tracks
CLEAR = float(np.log(10))

# the places of an earlier and of a later stretch
Pair = tuple[int, int]


def choose_clear_links(odds: Mapping[Pair, float]) -> list[Pair]:
    """The links of the best assignment that are clearly better than every assignment without them.

    `odds` are logarithms, those of earlier and later stretches by their places; none up to 0 is chosen.
    """
    links = {pair: value for pair, value in odds.items() if value > 0}
    return [pair for group in _group(links) for pair in _choose_clear(group)]


def _group(links: Mapping[Pair, float]) -> list[dict[Pair, float]]:
    """The links in groups that share no stretch: each is assigned by itself."""
    if not links:
        return []
    rows, columns = np.array(list(links)).T
    # earlier and later stretches are different things, whatever their places
    first = int(rows.max()) + 1
    count = first + int(columns.max()) + 1
    graph = coo_array((np.ones(len(rows)), (rows, first + columns)), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    out: dict[int, dict[Pair, float]] = {}
    for pair, odds in links.items():
        out.setdefault(int(groups[pair[0]]), {})[pair] = odds
    return list(out.values())


def _choose_clear(links: Mapping[Pair, float]) -> Iterator[Pair]:
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
