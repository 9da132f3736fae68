"""Whether two stands of a point are one: the evidence of one place against that of two with a way between.

Phases are found each on its own, with a place of its own, so that a movement in noise is believed too easily:
its end and the stand after it share a place, and a foot that comes down where it was seldom left. Here both
stands and what is between them are one linear model with Gaussian priors, whose likelihood has a closed form.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from workers.jobs.bodies.ground.phase_windows import ACROSS, ALONG, DRIFT, UP, Track, turn_to_view
from workers.jobs.bodies.ground.phases import (
    DRIFT_SECONDS,
    FLIGHT,
    FLIGHT_SHARE,
    FLIGHT_UP,
    LIFTED_MEAN,
    LIFTED_METRES,
    PLACE_METRES,
    RISE_MEAN,
    RISE_METRES,
    SLIDE_SHARE,
    STANDING_METRES,
    STEP_METRES,
    STEP_SECONDS,
    STEP_SHARE,
    STEP_SPREAD,
    STRAY_METRES,
)

Floats = NDArray[np.float64]
# Seconds of a stand next to a pause that are looked at: longer ones show its place no better, as the distance
# wanders. Chosen, not measured.
NEAR_SECONDS = 1.0
# By how many seconds a movement may begin or end before or after the pause, and how many such times are
# tried: one every 1/30 s. Chosen, not measured.
EDGE_SECONDS, EDGES = 0.1, 7


@dataclass(frozen=True, slots=True)
class Way:
    """How often a point moves so, log; deviations in metres of how far it goes, of a bulge and of a double
    bulge, along the floor and (without the first) up, and how high it rises in the mean."""

    share: float
    floor: tuple[float, float, float]
    up: tuple[float, float]
    rise: float


def compare_places(
    track: Track, noise: Floats, point: int, before: slice, after: slice, cost: Floats
) -> tuple[slice, Floats]:
    """The frames between two stands, with those near, and the probabilities that a point stands in them.

    It stands at one place throughout, or moves for some of these frames. `noise` (3,) are deviations across,
    along and up; `cost` (T + 1,) is the sum over the first frames of what it costs in nats to move in them.
    """
    seconds = track.seconds
    first = max(before.start, int(np.searchsorted(seconds, seconds[before.stop - 1] - NEAR_SECONDS)))
    stop = min(after.stop, int(np.searchsorted(seconds, seconds[after.start] + NEAR_SECONDS, side="right")))
    part = track.cut(first, stop)
    places = turn_to_view(part.places[:, [point]], part.views)[:, 0]
    distance = np.abs(part.views.mean(axis=0))
    wander = DRIFT * np.array([0.0, np.hypot(distance[0], distance[1]), distance[2]])
    model = _Pair(part.seconds, places, part.weights, noise, wander)
    step = float(np.median(np.diff(seconds)))
    stride, edges = _list_edges(before.stop - first, after.start - first, len(places), step)
    costs = cost[first:]
    scores = [model.score_two(leaves, comes) - costs[comes] + costs[leaves] for leaves, comes in edges]
    odds = np.array([model.score_one(), *(2 * np.log(stride) + np.array(scores))])
    shares = np.exp(odds - np.logaddexp.reduce(odds))
    moves = np.zeros(len(places))
    for share, (leaves, comes) in zip(shares[1:], edges, strict=True):
        moves[leaves:comes] += share
    inside = np.flatnonzero(moves)
    start, end = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, len(places))
    return slice(first + start, first + end), 1 - moves[start:end]


def _list_edges(leaves: int, comes: int, frames: int, step: float) -> tuple[int, list[tuple[int, int]]]:
    """Frames in which a movement may begin and end, of how many frames each is one."""
    stride = max(1, round(2 * EDGE_SECONDS / step / EDGES))
    offsets = stride * np.arange(-(EDGES // 2), EDGES // 2 + 1)
    pairs = product(leaves + offsets, comes + offsets)
    return stride, [(int(a), int(b)) for a, b in pairs if 1 <= a < b <= frames - 1]


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A point at `places` (T, 3), across, along and up, in two stands and between; `wander` (3,) in metres is
    how far the distance drifts."""

    seconds: Floats
    places: Floats
    weights: Floats
    noise: Floats
    wander: Floats

    def score_one(self) -> float:
        """Logarithm of the likelihood of one place."""
        ones = np.ones((len(self.places), 1))
        spread = (PLACE_METRES, PLACE_METRES, STANDING_METRES)
        return sum(self._integrate(axis, ones, [spread[axis]]) for axis in (ACROSS, ALONG, UP))

    def score_two(self, leaves: int, comes: int) -> float:
        """Logarithm of the likelihood of two places and a movement from frame `leaves` to before `comes`."""
        times, steps = self.seconds, np.diff(self.seconds)
        begin, end = times[leaves - 1], times[comes]
        half = 0.5 * (end - begin)
        u = np.clip((times - begin) / half - 1, -1.0, 1.0)
        ease = 0.5 + 0.75 * u - 0.25 * u**3
        bulge = np.stack([1 - u**2, u * (1 - u**2)], axis=1)
        floor = np.concatenate([np.ones((len(u), 1)), ease[:, None], bulge], axis=1)
        up = np.concatenate([(1 - ease)[:, None], ease[:, None], bulge], axis=1)
        scores = []
        for way in _list_ways(half):
            deviations = [PLACE_METRES, *way.floor]
            score = way.share + self._integrate(ACROSS, floor, deviations)
            score += self._integrate(ALONG, floor, deviations)
            heights = [STANDING_METRES, STANDING_METRES, *way.up]
            scores.append(score + self._integrate(UP, up, heights, np.array([0.0, 0.0, way.rise, 0.0])))
        brief = -0.5 * (min(np.log(2 * half / STEP_SECONDS), 0.0) / STEP_SPREAD) ** 2
        changes = np.log(steps[leaves - 1]) + np.log(steps[comes - 1])
        return float(np.logaddexp.reduce(scores) + brief + changes)

    def _integrate(
        self, axis: int, basis: Floats, deviations: list[float], means: Floats | None = None
    ) -> float:
        """Logarithm of the likelihood of an axis, less a constant; `basis` (T, M), of M coefficients."""
        values = self.places[:, axis]
        if means is not None:
            values = values - basis @ means
        spread = np.array(deviations)
        if self.wander[axis] > 0:
            half = 0.5 * float(np.ptp(self.seconds)) + 1e-9
            v = (self.seconds - self.seconds.mean()) / half
            basis = np.concatenate([basis, v[:, None] ** np.arange(1, 4)], axis=1)
            share = min(half / DRIFT_SECONDS, 1.0)
            spread = np.concatenate([spread, self.wander[axis] * share ** np.arange(1, 4)])
        scaled = basis * (spread * np.sqrt(self.weights)[:, None] / self.noise[axis])
        heavy = values * np.sqrt(self.weights) / self.noise[axis]
        precision = scaled.T @ scaled + np.eye(len(spread))
        right = scaled.T @ heavy
        explained = right @ np.linalg.solve(precision, right)
        return float(-0.5 * (heavy @ heavy - explained + np.linalg.slogdet(precision)[1]))


def _list_ways(half: float) -> tuple[Way, ...]:
    """Ways of moving for 2 `half` seconds from one place to another: a step, a flight, a slide."""
    speed, bend, twist = (value * half**order for order, value in enumerate(FLIGHT, 1))
    climb = tuple(value * half**order for order, value in enumerate(FLIGHT_UP[1:], 2))
    stray = STRAY_METRES
    return (
        Way(float(STEP_SHARE), (STEP_METRES, stray, stray), (RISE_METRES, stray), RISE_MEAN),
        Way(float(FLIGHT_SHARE), (2 * speed, bend, twist), (LIFTED_METRES, climb[1]), LIFTED_MEAN),
        Way(float(SLIDE_SHARE), (STEP_METRES, stray, stray), (stray, stray), 0.0),
    )
