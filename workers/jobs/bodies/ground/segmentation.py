"""The most likely sequence of phases of each point, and how likely it stands in each frame.

A hidden semi-Markov model (Yu 2010): phases follow each other, and each explains its frames as a whole.
Dynamic programming over all ways to cut a track into phases; `scores` (4, L, T, P) are those of
`phases.score_phases`.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from workers.jobs.bodies.ground.phases import HELD, IMPOSSIBLE, SLIDING, STANDING, SWINGING, Phase

Floats = NDArray[np.float64]
# Kinds of phases of the longest duration that is looked at: their point may stay where it is.
LONG_STANDING, LONG_HELD = 4, 5
KINDS = (STANDING, HELD, SLIDING, SWINGING, LONG_STANDING, LONG_HELD)
SHORT = {LONG_STANDING: STANDING, LONG_HELD: HELD}
# Mean duration of a phase in seconds: a cycle of walking.
PHASE_SECONDS = 1.0
# Logarithm of how rarely a point at rest is at rest elsewhere in the next frame, without moving.
JUMP = np.log(0.001)
# Logarithms of how often one kind, by row, is followed by another.
FOLLOWS = np.zeros((len(KINDS), len(KINDS)))
for _before, _after in product((STANDING, HELD, LONG_STANDING, LONG_HELD), repeat=2):
    FOLLOWS[_before, _after] = JUMP
for _before, _after in ((LONG_STANDING, STANDING), (LONG_HELD, HELD)):
    FOLLOWS[_before, [_before, _after]] = 0.0


def find_phases(scores: Floats, seconds: Floats) -> list[Phase]:
    """The most likely phases of every point, in order of points and time."""
    scores, change = _part_long(scores), _score_changes(seconds)
    best = _run_forwards(scores, change, lambda ways: ways.max(axis=(0, 2)))
    phases = []
    for point in range(scores.shape[-1]):
        stop, kind = len(seconds), int(best[:, -1, point].argmax())
        found: list[Phase] = []
        while stop:
            ways = _list_ways(scores, best, change, stop)[:, kind, :, point]
            before, length = np.unravel_index(int(ways.argmax()), ways.shape)
            first = stop - 1 - int(length)
            found.append(Phase(point, slice(first, stop), SHORT.get(kind, kind)))
            stop, kind = first, int(before)
        phases += found[::-1]
    return phases


def find_probabilities(scores: Floats, seconds: Floats) -> tuple[Floats, Floats]:
    """The probabilities (T, P) that each point stands, and that it slides, in each frame."""
    frames, points = len(seconds), scores.shape[-1]
    scores, change = _part_long(scores), _score_changes(seconds)
    forwards = _run_forwards(scores, change, lambda ways: _sum_ways(ways))
    total = np.logaddexp.reduce(forwards[:, -1], axis=0)
    # what follows after a phase of each kind that ends before frame k
    backwards = np.zeros((len(KINDS), frames + 1, points))
    starts = np.zeros((2, frames + 1, points))
    for first in range(frames - 1, -1, -1):
        longest = min(scores.shape[1], frames - first)
        later = first + 1 + np.arange(longest)
        ways = scores[:, :longest, first] + backwards[:, later] + change[first]
        into = np.logaddexp.reduce(ways, axis=1)
        backwards[:, first] = np.logaddexp.reduce(FOLLOWS[:, :, None] + into, axis=1)
        for row, kind in ((0, STANDING), (0, LONG_STANDING), (1, SLIDING)):
            before = np.logaddexp.reduce(forwards[:, first] + FOLLOWS[:, kind, None], axis=0)
            share = np.exp(before + ways[kind] - total)
            starts[row, first] += share.sum(axis=0)
            starts[row, later] -= share
    stands, slides = np.clip(np.cumsum(starts[:, :-1], axis=1), 0.0, 1.0)
    return stands, slides


def _part_long(scores: Floats) -> Floats:
    """Scores (6, L, T, P) in which the longest phases at rest are of kinds of their own."""
    longest = np.full((2, *scores.shape[1:]), IMPOSSIBLE)
    longest[:, -1] = scores[[STANDING, HELD], -1]
    out = np.concatenate([scores, longest])
    out[[STANDING, HELD], -1] = IMPOSSIBLE
    return out


def _run_forwards(scores: Floats, change: Floats, combine: Callable[[Floats], Floats]) -> Floats:
    """Scores (K, T + 1, P) of what comes before frame k and ends with a phase of each kind."""
    frames, points = len(change), scores.shape[-1]
    totals = np.full((len(KINDS), frames + 1, points), IMPOSSIBLE)
    totals[SWINGING, 0] = 0.0
    for stop in range(1, frames + 1):
        totals[:, stop] = combine(_list_ways(scores, totals, change, stop))
    return totals


def _list_ways(scores: Floats, totals: Floats, change: Floats, stop: int) -> Floats:
    """Scores (K, K, L, P) of ending before frame `stop`, by the kinds of the phase before and of the last
    one, and the frames of the last one less one."""
    lengths = np.arange(min(scores.shape[1], stop))
    firsts = stop - 1 - lengths
    last = change[firsts][:, None] + scores[:, lengths, firsts]
    ways: Floats = totals[:, None, firsts] + last + FOLLOWS[:, :, None, None]
    return ways


def _sum_ways(ways: Floats) -> Floats:
    """Logarithms (K, P) of sums over the phases before and the lengths of `ways` (K, K, L, P)."""
    most = ways.max(axis=(0, 2))
    total: Floats = most + np.log(np.exp(ways - most[:, None]).sum(axis=(0, 2)))
    return total


def _score_changes(seconds: Floats) -> Floats:
    """Logarithms (T,) of how likely a phase begins in each frame."""
    steps = np.diff(seconds, prepend=2 * seconds[0] - seconds[1])
    changes: Floats = np.log(np.clip(steps / PHASE_SECONDS, 1e-6, 0.5))
    changes[0] = 0.0
    return changes
