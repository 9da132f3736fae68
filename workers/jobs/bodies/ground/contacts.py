"""When a point of the sole stands on the floor: the most likely sequence of two states (Viterbi 1967).

A point that stands is at the floor's height and does not move; one that does not is anywhere above and moves.
Changing the state costs, which is the hysteresis: a single fast frame does not lift a foot.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Deviations of a standing point: metres from the floor (errors of pose and floor) and metres per second: what
# noise of 3 to 5 degrees per joint leaves of a foot's speed after smoothing (bench `bodies.walking`).
STANDING_METRES, STANDING_SPEED = 0.05, 0.5
# A point in the air: mean height in metres, and most common speed in m/s: a walking foot swings at two to
# three times the 1.1 to 1.4 m/s of its person.
LIFTED_METRES, LIFTED_SPEED = 0.15, 2.0
# Mean duration of a phase in seconds: half a cycle of walking.
PHASE_SECONDS = 0.5
# Frames per second from which neighbouring frames repeat each other's evidence.
FULL_RATE = 30.0
# Half the time in seconds over which a velocity is fitted: together half the time that a walking foot swings.
SPEED_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Stand:
    """One time that a point stands: the number of the point and the frames."""

    point: int
    frames: slice


def detect_contacts(points: Floats, heights: Floats, seconds: Floats) -> NDArray[np.bool_]:
    """Whether each point stands on the floor (T, P), for points (T, P, 3) in metres in a frame at rest.

    `heights` (T, P) are metres above the floor, `seconds` (T,) the rising times of the frames.
    """
    if len(points) < 2:
        return np.abs(heights) < STANDING_METRES
    cost = _weigh_states(heights, measure_speed(points, seconds))
    steps = np.diff(seconds)
    evidence = np.minimum(FULL_RATE * np.append(steps, steps[-1]), 1.0)
    cost = cost * evidence[:, None, None]
    change = -np.log(np.clip(steps / PHASE_SECONDS, 1e-6, 0.5))
    standing = np.zeros(heights.shape, dtype=np.bool_)
    came_from = np.zeros((*heights.shape, 2), dtype=np.int64)
    total = cost[0]
    for k in range(1, len(points)):
        # (P, from, to)
        ways = total[:, :, None] + change[k - 1] * (1 - np.eye(2))
        came_from[k] = ways.argmin(axis=1)
        total = ways.min(axis=1) + cost[k]
    state = total.argmin(axis=1)
    for k in range(len(points) - 1, -1, -1):
        standing[k] = state == 1
        state = np.take_along_axis(came_from[k], state[:, None], axis=1)[:, 0]
    return standing


def measure_speed(points: Floats, seconds: Floats) -> Floats:
    """Speeds (T, P) in m/s of points (T, P, 3): slopes of lines fitted over SPEED_SECONDS to both sides."""
    reach = max(1, round(SPEED_SECONDS / float(np.median(np.diff(seconds)))))
    speeds = np.empty(points.shape[:2])
    for k in range(len(points)):
        near = slice(max(k - reach, 0), k + reach + 1)
        times = seconds[near] - seconds[near].mean()
        slopes = np.tensordot(times, points[near], 1) / (times @ times)
        speeds[k] = np.linalg.norm(slopes, axis=-1)
    return speeds


def _weigh_states(heights: Floats, speeds: Floats) -> Floats:
    """Negative logarithms of likelihoods (T, P, 2): in the air, standing."""
    # Gaussian height and Rayleigh speed (two dimensions) when standing; Laplace height from the floor up and
    # Rayleigh speed in the air
    speeds = np.maximum(speeds, 1e-3)
    standing = 0.5 * (heights / STANDING_METRES) ** 2 + np.log(STANDING_METRES * np.sqrt(2 * np.pi))
    standing += 0.5 * (speeds / STANDING_SPEED) ** 2 + 2 * np.log(STANDING_SPEED)
    lifted = np.abs(heights) / LIFTED_METRES + np.log(LIFTED_METRES)
    lifted += 0.5 * (speeds / LIFTED_SPEED) ** 2 + 2 * np.log(LIFTED_SPEED)
    return np.stack([lifted, standing], axis=-1)


def list_stands(standing: NDArray[np.bool_]) -> list[Stand]:
    """Every time that a point (T, P) stands."""
    stands = []
    for point, column in enumerate(standing.T):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], column, [False]]).astype(np.int8)))
        ends = zip(edges[::2], edges[1::2], strict=True)
        stands += [Stand(point, slice(int(first), int(last))) for first, last in ends]
    return stands
