"""What a point of the sole may do for a while, and how well each of that explains the frames of a phase.

In a phase a point stands at one place on the floor, slides over it, is held still in the air, or swings. Each
is a polynomial of time with a Gaussian prior on its coefficients, seen with Gaussian noise, so that the
likelihood of a phase with its coefficients integrated out has a closed form (Bishop 2006, 3.5): a swing
explains anything, and is therefore believed only where nothing simpler explains the frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.jobs.bodies.ground.phase_windows import ACROSS, ALONG, UP, Windows

Floats = NDArray[np.float64]
# What a point does in a phase: stands on the floor, is held still above it, slides over it, or swings.
STANDING, HELD, SLIDING, SWINGING = 0, 1, 2, 3
# Deviation of a place in metres about where the point is in the phase's middle: a step's length.
PLACE_METRES = 1.0
# Deviation of the height of a standing point: errors of pose and floor. Mean and deviation of a lifted one.
STANDING_METRES, LIFTED_MEAN, LIFTED_METRES = 0.05, 0.30, 0.20
# A step is a movement from rest to rest: deviations in metres of how far it goes, and of how far it strays
# from the curve between (a foot swings aside, or moves already where the track begins). How high it rises.
STEP_METRES, STRAY_METRES = 0.7, 0.10
RISE_MEAN, RISE_METRES = 0.10, 0.06
# Deviations of speed, acceleration and jerk of a foot in the air that comes from anywhere and goes on, in its
# middle: one that walks, 1.2 m in 0.4 s, has 4 m/s, 40 m/s² at the ends and 200 m/s³; it rises by less.
FLIGHT = (3.0, 20.0, 200.0)
FLIGHT_UP = (1.0, 8.0, 60.0)
# Deviation of the speed of a foot that slides over the floor, m/s: moonwalks and skates have 0.3 to 2.
SLIDE_SPEED = 0.7
# Duration in seconds under which movements are ever less likely, and the deviation of its logarithm: no foot
# comes up and down again within a tenth of a second.
STEP_SECONDS, STEP_SPREAD = 0.3, 0.35
# The share of that which counts for a movement at either end of the track, which may have been longer.
CUT_SHARE = 0.25
# Logarithms of how often a point that does not stand is held still, slides, steps, and flies.
HELD_SHARE, SLIDE_SHARE, STEP_SHARE, FLIGHT_SHARE = np.log([0.10, 0.05, 0.65, 0.20])
# Logarithm of a likelihood of zero; finite, so that sums of it are.
IMPOSSIBLE = -1e9
# Longest step or flight in seconds; what lasts longer is a chain of phases.
LONGEST_SWING = 1.0
# How long the distance takes to wander, in seconds.
DRIFT_SECONDS = 0.25
# Columns are curves of u in [-1, 1] as coefficients of 1, u, u², u³: a place and what u, u² and u³ add; a
# place, the way from rest to rest by one unit, and what a line and a parabola add; a height and a rise.
FREELY = np.eye(4)
FROM_REST = np.array([[1, 0, 0, 0], [0, 0.75, 1, 0], [0, 0, 0, 1], [0, -0.25, 0, 0]], dtype=np.float64)
UP_AND_DOWN = np.array([[1, 1, 0], [0, 0, 1], [0, -1, 0], [0, 0, 0]], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Phase:
    """What a point, by number, does in some frames."""

    point: int
    frames: slice
    kind: int


def score_phases(windows: Sequence[Windows], noise: Floats) -> Floats:
    """Logarithms of likelihoods (4, L, T, P): of STANDING, HELD, SLIDING and SWINGING in a phase with l + 1
    frames that begins in frame t, of each point; IMPOSSIBLE where it would end behind the last frame.

    `windows` are those of `sum_windows`, `noise` (3,) the deviations of the points across, along and up.
    """
    frames, points = windows[0].squares.shape[:2]
    scores = []
    for row, window in enumerate(windows):
        lengths = np.full((4, frames, points), IMPOSSIBLE)
        lengths[:, : frames - row] = _score_windows(window, noise**2)
        short = -0.5 * (np.minimum(np.log(2 * window.half / STEP_SECONDS), 0.0) / STEP_SPREAD) ** 2
        # movements that the track cuts may have been longer
        short[[0, -1]] *= CUT_SHARE
        lengths[SLIDING:, : frames - row] += short[:, None]
        scores.append(lengths)
    return np.stack(scores, axis=1)


def _score_windows(window: Windows, noise: Floats) -> Floats:
    """Logarithms of likelihoods (4, N, P) of what a point does; `noise` (3,) are variances."""
    share = np.minimum(window.half / DRIFT_SECONDS, 1.0)
    drifts = [[drift * share**order for order in (1, 2, 3)] for drift in window.drift.T]

    def fit(axis: int, curves: Floats, *deviations: Floats | float, means: tuple[float, ...] = ()) -> Floats:
        return _integrate(window, axis, noise[axis], curves, deviations, means)

    def scale(speeds: tuple[float, ...]) -> list[Floats]:
        return [speed * window.half**order for order, speed in enumerate(speeds, 1)]

    def add(deviations: Sequence[Floats | float], drift: Sequence[Floats]) -> list[Floats]:
        return [np.hypot(a, b) for a, b in zip(deviations, drift, strict=False)]

    aside, along = fit(ACROSS, FREELY, PLACE_METRES), fit(ALONG, FREELY, PLACE_METRES, *drifts[0])
    standing = aside + along + fit(UP, FREELY, STANDING_METRES, *drifts[1])
    lifted = fit(UP, FREELY, LIFTED_METRES, *drifts[1], means=(LIFTED_MEAN,))
    held = HELD_SHARE + aside + along + lifted
    slide = fit(ACROSS, FREELY, PLACE_METRES, *scale((SLIDE_SPEED,)))
    speeds = add([*scale((SLIDE_SPEED,)), 0.0, 0.0], drifts[0])
    sliding = SLIDE_SHARE + slide + fit(ALONG, FREELY, PLACE_METRES, *speeds) + lifted
    swinging = np.full_like(standing, IMPOSSIBLE)
    brief = 2 * window.half <= LONGEST_SWING
    if brief.any():
        way = (PLACE_METRES, STEP_METRES, STRAY_METRES, STRAY_METRES)
        step = fit(ACROSS, FROM_REST, *way) + fit(ALONG, FROM_REST, way[0], *add(way[1:], drifts[0]))
        rise = (STANDING_METRES, RISE_METRES, STRAY_METRES)
        step = step + fit(UP, UP_AND_DOWN, *rise, means=(0.0, RISE_MEAN))
        flight = fit(ACROSS, FREELY, PLACE_METRES, *scale(FLIGHT))
        flight = flight + fit(ALONG, FREELY, PLACE_METRES, *add(scale(FLIGHT), drifts[0]))
        climb = add(scale(FLIGHT_UP), drifts[1])
        flight = flight + fit(UP, FREELY, LIFTED_METRES, *climb, means=(LIFTED_MEAN,))
        swinging[brief] = np.logaddexp(STEP_SHARE + step, FLIGHT_SHARE + flight)[brief]
    return np.stack([standing, held, sliding, swinging])


def _integrate(
    window: Windows,
    axis: int,
    noise: float,
    curves: Floats,
    deviations: tuple[Floats | float, ...],
    means: tuple[float, ...],
) -> Floats:
    """Logarithm of the likelihood (N, P) of one axis, less a constant per frame.

    The coefficients of the first `curves` (4, M) are Gaussian with `deviations`, about `means` or zero;
    `noise` is the variance of the points.
    """
    order = len(deviations)
    curves = curves[:, :order]
    spread = np.stack(
        [np.broadcast_to(np.asarray(value), window.count.shape) for value in deviations], axis=1
    )
    gram = curves.T @ window.gram @ curves
    mixed = curves.T @ window.mixed[..., axis]
    squares = window.squares[..., axis]
    if means:
        mean = np.array([*means, *[0.0] * (order - len(means))])
        squares = squares - 2 * np.tensordot(mixed, mean, (1, 0)) + (mean @ gram @ mean)[:, None]
        mixed = mixed - (gram @ mean)[:, :, None]
    # in units of the deviations the precision is 1 + gram / noise
    precision = gram * spread[:, :, None] * spread[:, None, :] / noise + np.eye(order)
    right = mixed * spread[:, :, None] / noise
    if order == 1:
        explained = right[:, 0] ** 2 / precision[:, 0]
        volume = np.log(precision[:, 0, 0])
    else:
        explained = (right * np.linalg.solve(precision, right)).sum(axis=1)
        volume = np.linalg.slogdet(precision)[1]
    if axis != UP:
        # a phase begins where the last one ended: its place is no choice of its own
        volume = volume - np.log(precision[:, 0, 0])
    likelihood: Floats = -0.5 * (
        window.count[:, None] * np.log(noise) + volume[:, None] + squares / noise - explained
    )
    return likelihood
