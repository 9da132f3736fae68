"""A track continued beyond its first and last frames, so that a filter meets a steady movement there.

What lies near an end is turned over about it (odd extension, as in Gustafsson 1996, "Determining the initial
states in forward-backward filtering"). The end itself is noisy, so it is read from a robust line (Theil 1950,
Sen 1968) through the frames close to it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import exp_map, from_quaternions, quaternions

Floats = NDArray[np.float64]
# Seconds by which a track is continued, longer than the filters of `smoothing` remember, and of the line
# through its end, in which an arm or leg turns at a steady rate. Twelve drawn runs at 15 frames per second
# (bench `bodies.walking`, seeds 20 to 31): in the first and last frames the root was off by 14 cm across the
# line of sight, elsewhere by 1 cm; with these values 0.7 cm. The distance is noise there, and gains nothing.
CONTINUED_SECONDS, LINE_SECONDS = 0.3, 0.2
# Fewest frames of such a line.
LINE_FRAMES = 3


class Continued(NamedTuple):
    """A longer track: its values, its rising times (T,), and where the given frames are."""

    values: Floats
    seconds: Floats
    inside: slice


def continue_values(values: Floats, seconds: Floats) -> Continued:
    """Values (T, N) at rising `seconds` (T,), of three frames or more, continued at both ends."""
    before = _turn_over(values, seconds)
    after = _turn_over(values[::-1], -seconds[::-1])[::-1]
    return _join(before, values, after, seconds)


def continue_rotations(wxyz: Floats, seconds: Floats) -> Continued:
    """Unit quaternions (T, ..., 4) at rising `seconds` (T,), of three frames or more, likewise."""
    before = _turn_over_rotations(wxyz, seconds)
    after = _turn_over_rotations(wxyz[::-1], -seconds[::-1])[::-1]
    return _join(before, wxyz, after, seconds)


def turn_between(a: Floats, b: Floats) -> Floats:
    """Rotation vectors (..., 3) in radians from unit quaternions `a` to `b` (..., 4), in the frame of `a`."""
    b = np.where((a * b).sum(axis=-1, keepdims=True) < 0, -b, b)
    scalar = (a * b).sum(axis=-1, keepdims=True)
    vector = a[..., :1] * b[..., 1:] - b[..., :1] * a[..., 1:] - np.cross(a[..., 1:], b[..., 1:])
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    turn: Floats = vector * np.where(sine > 1e-9, 2 * np.arctan2(sine, scalar) / np.maximum(sine, 1e-9), 2.0)
    return turn


def _join(before: Floats, values: Floats, after: Floats, seconds: Floats) -> Continued:
    first, last = len(before), len(after)
    times = [
        2 * seconds[0] - seconds[first:0:-1],
        seconds,
        2 * seconds[-1] - seconds[-2 : -last - 2 : -1],
    ]
    inside = slice(first, first + len(values))
    return Continued(np.concatenate([before, values, after]), np.concatenate(times), inside)


def _turn_over(values: Floats, seconds: Floats) -> Floats:
    """Values (K, N) before the first frame; `seconds` rise."""
    end = _read_end(values, seconds)
    continued: Floats = 2 * end - values[_count_frames(seconds, CONTINUED_SECONDS) : 0 : -1]
    return continued


def _turn_over_rotations(wxyz: Floats, seconds: Floats) -> Floats:
    """Rotations (K, ..., 4) before the first frame, turned over in the tangent space of that frame."""
    near = wxyz[: _count_frames(seconds, CONTINUED_SECONDS) + 1]
    turns = turn_between(np.broadcast_to(near[0], near.shape), near)
    before = _turn_over(turns.reshape(len(near), -1), seconds[: len(near)]).reshape(-1, *turns.shape[1:])
    return quaternions(from_quaternions(near[0]) @ exp_map(before))


def _count_frames(seconds: Floats, reach: float) -> int:
    """How many of the frames after the first are within `reach` seconds of it, at least as a line needs."""
    count = int(np.searchsorted(seconds - seconds[0], reach, side="right")) - 1
    return min(max(count, LINE_FRAMES - 1), len(seconds) - 1)


def _read_end(values: Floats, seconds: Floats) -> Floats:
    """Where a robust line through the first frames of values (T, N) is in the first one (N,)."""
    count = _count_frames(seconds, LINE_SECONDS) + 1
    times, near = seconds[:count] - seconds[0], values[:count]
    first, second = np.triu_indices(count, 1)
    slope = np.median((near[second] - near[first]) / (times[second] - times[first])[:, None], axis=0)
    end: Floats = np.median(near - slope * times[:, None], axis=0)
    return end
