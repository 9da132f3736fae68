"""The most likely gravity and floor of an image: maximum a posteriori over a grid, with nested refinement.

Three unknowns: pitch and roll of the camera, and its height above the floor. Given them, each person whose
feet are seen has a size: scaled about the camera's centre, which leaves the image as it is, until the lowest
point of the feet touches the floor. What is likely is a floor on which these sizes are those of people, under
people who are upright; both terms are mixtures, so that whoever jumps, sits on a wall or lies costs little.
A search over three numbers has no local minima to fall into.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.group.cues import PersonCue
from workers.engines.bodies.group.stature_prior import (
    COHORT_SHARE,
    COHORTS,
    LOG_STATURES,
    MIN_COHORT,
    tabulate_stature_density,
)

Floats = NDArray[np.float64]
# Attitudes that are searched, degrees: pitch below the horizon, and roll.
PITCHES, ROLLS = np.arange(-30.0, 73.0, 6.0), np.arange(-10.0, 11.0, 5.0)
# Sides of the image that may be up, as rolls in degrees, and the cost in nats of one that is not the upper.
# Chosen: two people who stand on their heads make an image that is upside down, one does not.
SIDES, SIDE_COST = (0.0, 90.0, -90.0, 180.0), 6.0
# Prior on the camera, degrees and metres: people are photographed level or from above, without roll. Chosen.
PITCH, ROLL, CAMERA_METRES = (10.0, 18.0), (0.0, 4.0), (1.8, 0.6)
LOG_OFFSETS = np.linspace(np.log(0.25), np.log(9.0), 48)
COARSE = float(LOG_OFFSETS[1] - LOG_OFFSETS[0])
# Deviations in degrees of a standing body's axis from up, across the view and along it, and the cost in nats
# of a body that does not stand. The depth of a fit is that much worse than its outline. Chosen.
AXIS_ACROSS, AXIS_ALONG, BENT_COST = 6.0, 9.0, 3.5
# As many leans along the view say as much together as any number: what errs in one fit errs in all. Chosen.
INDEPENDENT_LEANS = 3.0
# Probability that feet are not on the floor, and the density of the stature that they then seem to have,
# which is uniform over the table's logarithms.
OFF_FLOOR, OFF_DENSITY = 0.06, 1.0 / float(LOG_STATURES[-1] - LOG_STATURES[0])
# Nearest that feet may be below the camera, metres at the size of the fit: others show no floor.
MIN_DROP = 0.05
# How much the grid shrinks in each refinement, and how often.
ZOOM, ROUNDS = 0.3, 3
# Quantiles of a height range, and the deviation of a logarithm that errors of the fits themselves add: ranges
# hold 92% of the heights of drawn people at 0.03, and 98% at 0.06.
QUANTILES, FIT_DEVIATION = (0.05, 0.5, 0.95), 0.045
# That deviation where gravity and a height on the floor are given, so that only one floor is left, and what
# the assumed focal length does is in no cost. With 0.045 ranges held 78% of 51 drawn children beside such an
# adult (seeds 4100 to 4600 of `bodies.scenes`).
ONE_FLOOR_DEVIATION = 0.09
# By how much the costs are divided for the ends of a range: head, axis and feet are read from one fit and err
# together, so their costs add up to more than they say. Of drawn children under 1.40 m ranges hold 0.94 at 1
# and 0.98 at 1.25 (102 children, seeds 3000, 3001 and 3005 to 3009 of `bodies.scenes`), of adults 0.98 and
# 0.99; on seeds that nothing was chosen by 1.00 of 70 children at 1.25.
RANGE_TEMPERATURE = 1.25
# The most likely floor is searched among those under which people are about as tall as they are in the median
# over all floors: a narrow peak need not hold as much as a broad one. Deviation of the logarithm for a group
# as a whole, and the probability from which a person on the floor counts. Chosen.
MEDIAN_DEVIATION, PROBABLY = 0.06, 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloorSolution:
    """The floor under N people: `up` (3,) in the camera frame, `offset` the height of the camera or None.

    `scales` (N,) is by how much each body grows about the camera's centre;
    `grounded` (N,) is None where no feet are seen; `ranges` (N,) are heights in metres.
    """

    up: Floats
    offset: float | None
    scales: Floats
    grounded: tuple[bool | None, ...]
    ranges: tuple[tuple[float, float], ...]


def find_floor(cues: Sequence[PersonCue], gravity: Floats | None = None) -> FloorSolution:
    """The floor of people; `gravity` (3,) is a unit vector where it is known."""
    grid = _Grid(cues, gravity is not None)
    side = _choose_side(cues)
    attitudes = _span((PITCHES, ROLLS), side) if gravity is None else np.zeros((1, 3))
    ups = make_ups(attitudes) if gravity is None else -gravity[None]
    offsets, spread = LOG_OFFSETS, COARSE
    step = np.array([PITCHES[1] - PITCHES[0], ROLLS[1] - ROLLS[0]])
    cost = grid.cost(ups, offsets, _attitude_cost(attitudes, gravity))
    heights = grid.find_heights(ups, offsets, cost)
    grid.favour(heights)
    cost = grid.cost(ups, offsets, _attitude_cost(attitudes, gravity))
    for _ in range(ROUNDS):
        kind, best, at = np.unravel_index(int(cost.argmin()), cost.shape)
        grid.keep(int(kind))
        pitch, roll, _ = attitudes[best]
        offsets = offsets[at] + 2 * spread * np.linspace(-1.0, 1.0, 15)
        if gravity is None:
            around = np.linspace(-1.0, 1.0, 5)
            attitudes = _span((pitch + step[0] * around, roll + step[1] * around), side)
            ups = make_ups(attitudes)
        cost = grid.cost(ups, offsets, _attitude_cost(attitudes, gravity))
        step, spread = step * ZOOM, spread * ZOOM
    _, best, at = np.unravel_index(int(cost.argmin()), cost.shape)
    return grid.solution(ups[best], float(offsets[at]), heights)


def _span(axes: tuple[Floats, Floats], side: float) -> Floats:
    """All attitudes (G, 3) of pitches and rolls in degrees."""
    pitch, roll = np.meshgrid(*axes, indexing="ij")
    return np.stack([pitch.ravel(), roll.ravel(), np.full(pitch.size, side)], axis=1)


def make_ups(attitudes: Floats) -> Floats:
    """Unit vectors (G, 3) that point up, of pitch, roll and side (G, 3) in degrees."""
    pitch = np.radians(attitudes[:, 0])
    roll = np.radians(attitudes[:, 1] + attitudes[:, 2])
    down = np.cos(pitch)
    return np.stack([np.sin(roll) * down, -np.cos(roll) * down, -np.sin(pitch)], axis=1)


def _attitude_cost(attitudes: Floats, gravity: Floats | None) -> Floats:
    """Costs (G,) of attitudes; none where gravity is known."""
    if gravity is not None:
        return np.zeros(len(attitudes))
    mean, deviation = np.array([PITCH[0], ROLL[0]]), np.array([PITCH[1], ROLL[1]])
    cost: Floats = (((attitudes[:, :2] - mean) / deviation) ** 2).sum(axis=1) / 2
    return cost


def _choose_side(cues: Sequence[PersonCue]) -> float:
    """The side of the image that is up, as a roll in degrees."""
    ups = make_ups(np.array([[PITCH[0], 0.0, side] for side in SIDES]))
    cost = np.where(np.array(SIDES) == 0.0, 0.0, SIDE_COST)
    for cue in cues:
        angle = np.degrees(np.arccos(np.clip(ups @ cue.axis, -1.0, 1.0)))
        cost = cost + cue.axis_weight * np.minimum((angle / 30.0) ** 2 / 2, BENT_COST)
    return SIDES[int(cost.argmin())]


class _Grid:
    """Costs in nats of attitudes and heights of the camera, for fixed people, under H kinds of group."""

    def __init__(self, cues: Sequence[PersonCue], knows_gravity: bool) -> None:
        self._cues = cues
        is_fixed = knows_gravity and any(cue.known is not None and len(cue.soles) for cue in cues)
        self._deviation = ONE_FLOOR_DEVIATION if is_fixed else FIT_DEVIATION
        standing = [cue for cue in cues if len(cue.soles)]
        has_cohorts = len(standing) >= MIN_COHORT and all(cue.known is None for cue in cues)
        kinds: tuple[float | None, ...] = (None, *COHORTS) if has_cohorts else (None,)
        each = [COHORT_SHARE / len(COHORTS)] * len(COHORTS)
        share = np.array([1 - COHORT_SHARE, *each] if has_cohorts else [1.0])
        self._kind_costs = -np.log(share)
        # one slot more: feet that are not below the camera stand on nothing
        self._densities = np.zeros((len(kinds), len(cues), len(LOG_STATURES) + 1))
        for h, kind in enumerate(kinds):
            for k, cue in enumerate(cues):
                self._densities[h, k, :-1] = tabulate_stature_density(cue, kind)
        # of a person: what the head says must not count for being on the floor
        width = float(LOG_STATURES[1] - LOG_STATURES[0])
        self._densities /= self._densities[0].sum(axis=1)[:, None] * width
        self._tables = -np.log((1 - OFF_FLOOR) * self._densities + OFF_FLOOR * OFF_DENSITY)
        self._on_floor = (1 - OFF_FLOOR) * self._densities > OFF_FLOOR * OFF_DENSITY
        self._along = AXIS_ALONG * np.sqrt(max(1.0, len(cues) / INDEPENDENT_LEANS))

    def keep(self, kind: int) -> None:
        """Go on with one kind of group."""
        self._tables, self._on_floor = self._tables[kind, None], self._on_floor[kind, None]
        self._densities = self._densities[kind, None]
        self._kind_costs = np.zeros(1)

    def log_statures(self, cue: PersonCue, ups: Floats, offsets: Floats) -> Floats:
        """Logarithms of the statures (G, K) of a person on floors; NaN where the feet are not below."""
        drop = -(cue.soles @ ups.T).min(axis=0)
        drop = np.where(drop > MIN_DROP, drop, np.nan)
        logs: Floats = np.log(cue.stature) - np.log(drop)[:, None] + offsets[None]
        return logs

    def cost(self, ups: Floats, offsets: Floats, attitude: Floats) -> Floats:
        """Costs (H, G, K) of ups (G, 3) with costs of their own (G,) and logarithms of heights (K,)."""
        total = np.zeros((len(self._kind_costs), len(ups), len(offsets)))
        total += ((offsets - np.log(CAMERA_METRES[0])) / CAMERA_METRES[1]) ** 2 / 2
        total += attitude[None, :, None] + self._kind_costs[:, None, None]
        for k, cue in enumerate(self._cues):
            total += _axis_cost(cue, ups, self._along)[None, :, None]
            if len(cue.soles):
                total += self._tables[:, k][:, _look_up(self.log_statures(cue, ups, offsets))]
        return total

    def favour(self, heights: Sequence[Floats | None]) -> None:
        """Draw the search to floors on which people have their median heights (`find_heights`)."""
        standing = [(k, found[1]) for k, found in enumerate(heights) if found is not None]
        for k, median in standing:
            # a median over coarse cells is known to a cell
            apart = np.maximum(np.abs(LOG_STATURES - np.log(median)) - COARSE, 0.0) / MEDIAN_DEVIATION
            self._tables[:, k, :-1] += apart**2 / 2 / len(standing)

    def solution(self, up: Floats, offset: float, heights: Sequence[Floats | None]) -> FloorSolution:
        """What a floor says of the people, under the kind of group that was kept."""
        scales = np.ones(len(self._cues))
        grounded: list[bool | None] = []
        ranges: list[tuple[float, float]] = []
        for k, (cue, found) in enumerate(zip(self._cues, heights, strict=True)):
            if not len(cue.soles):
                stands = None
            else:
                logs = self.log_statures(cue, up[None], np.array([offset]))
                stands = bool(self._on_floor[0, k][_look_up(logs)[0, 0]])
            grounded.append(stands)
            if found is None or not stands:
                # no floor says how tall: what people are, and the head
                found = find_quantiles(LOG_STATURES, self._densities[0, k, :-1])
                found = widen_range(found, cue, self._deviation)
            stature = np.exp(logs[0, 0]) if stands else found[1]
            scales[k] = stature / cue.stature
            # the person on the floor may be taller than on most floors
            ranges.append((min(float(found[0]), stature), max(float(found[2]), stature)))
        return FloorSolution(
            up=up,
            offset=float(np.exp(offset)) if any(grounded) else None,
            scales=scales,
            grounded=tuple(grounded),
            ranges=tuple(ranges),
        )

    def find_heights(self, ups: Floats, offsets: Floats, cost: Floats) -> list[Floats | None]:
        """QUANTILES of each person's height in metres (3,), from the posterior (H, G, K).

        None where no feet are seen, or they are probably not on the floor.
        """
        weights, broad = (np.exp((cost.min() - cost) / heat).sum(axis=0) for heat in (1.0, RANGE_TEMPERATURE))
        # a ten-thousandth of the best cell's weight: the cells beyond hold nothing together
        chosen = broad > 1e-4
        heights: list[Floats | None] = []
        for k, cue in enumerate(self._cues):
            logs = self.log_statures(cue, ups, offsets)[chosen] if len(cue.soles) else np.zeros(0)
            # heights of a person who stands: on other floors this one does not
            valid = np.asarray(np.any(self._on_floor[:, k], axis=0))[_look_up(logs)]
            shares = weights[chosen]
            if not valid.any() or shares[valid].sum() < PROBABLY * shares.sum():
                heights.append(None)
                continue
            low, _, high = find_quantiles(logs[valid], broad[chosen][valid])
            middle = find_quantiles(logs[valid], shares[valid])[1]
            heights.append(widen_range(np.array([low, middle, high]), cue, self._deviation))
        return heights


def find_quantiles(logs: Floats, weights: Floats) -> Floats:
    """QUANTILES (3,) of heights in metres, from their logarithms (N,) and weights (N,)."""
    order = np.argsort(logs)
    share = np.cumsum(weights[order])
    at = np.searchsorted(share, np.array(QUANTILES) * share[-1])
    return np.asarray(np.exp(logs[order][at]))


def widen_range(heights: Floats, cue: PersonCue, deviation: float) -> Floats:
    """QUANTILES of a height (3,) with the errors of the fit, where the height is not given."""
    slack = 0.0 if cue.known is not None else 1.645 * deviation
    return np.asarray(heights * np.exp(slack * np.array([-1.0, 0.0, 1.0])))


def _axis_cost(cue: PersonCue, ups: Floats, deviation: float) -> Floats:
    """Costs (G,) of ups (G, 3) by the body's axis; a body that does not stand costs the same everywhere."""
    across, along = _measure_angles(cue, ups)
    chi = (across / np.radians(AXIS_ACROSS)) ** 2 + (along / np.radians(deviation)) ** 2
    cost: Floats = -cue.axis_weight * np.log(np.exp(-chi / 2) + np.exp(-BENT_COST))
    return cost


def _measure_angles(cue: PersonCue, ups: Floats) -> tuple[Floats, Floats]:
    """Angles (G,) in radians of a body's axis to ups (G, 3), across and along the view, as far as shown."""
    across = np.cross(cue.axis, cue.view)
    across /= max(float(np.linalg.norm(across)), 1e-6)
    along = np.cross(across, cue.axis)
    forward = ups @ cue.axis
    hidden = (1 - cue.shown_tilt) * np.arcsin(np.clip(ups @ cue.view, -1.0, 1.0))
    return np.arctan2(ups @ across, forward), np.arctan2(ups @ along, forward) - hidden


def measure_lean(cue: PersonCue, up: Floats) -> float:
    """The angle in degrees between a person's axis and `up` (3,), a unit vector."""
    across, along = _measure_angles(cue, up[None])
    return float(np.degrees(np.hypot(across[0], along[0])))


def _look_up(logs: Floats) -> NDArray[np.int64]:
    """The nearest entries of LOG_STATURES to logarithms of statures, the one after the last for NaN."""
    step = LOG_STATURES[1] - LOG_STATURES[0]
    places = np.clip(np.rint((np.nan_to_num(logs) - LOG_STATURES[0]) / step), 0, len(LOG_STATURES) - 1)
    return np.where(np.isnan(logs), len(LOG_STATURES), places).astype(np.int64)
