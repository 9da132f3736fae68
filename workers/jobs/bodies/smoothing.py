"""Pose smoothing over time without delay: the One-Euro filter, forwards and backwards.

Casiez, Roussel and Vogel, "1 Euro Filter" (CHI 2012): a low-pass whose cutoff rises with speed, cutoff =
min_cutoff + beta * |speed|, alpha = 1 / (1 + 1 / (2 pi cutoff dt)). For rotations the speed is angular and
the low-pass is SLERP. The complete track is known, so the filter runs in both directions and the two results
are averaged: their delays cancel.

Before that, Hampel's filter removes outliers: a rotation that is far from the medoid of a short window (the
member nearest to the others) is replaced by it, and a position by the median. Steady motion passes unchanged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.jobs.bodies.track_ends import continue_rotations, continue_values, turn_between

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OneEuro:
    """`min_cutoff` and `speed_cutoff` in Hz; `beta` in Hz per unit of speed (1/s of the signal's unit)."""

    min_cutoff: float
    beta: float
    speed_cutoff: float = 1.0

    def alpha(self, speed: Floats, seconds: float) -> Floats:
        """The weight of a new value at a speed."""
        return _weigh(self.min_cutoff + self.beta * speed, seconds)


# Half the window of Hampel's filter in seconds, and how far a value may be from the window's middle: radians
# for rotations, tangents of the bearing, logarithm of the distance. People do not move so far and back so
# fast. Chosen by that reasoning, not tuned; `python -m bench run bodies.motion` measures the effect.
OUTLIER_SECONDS = 0.07
OUTLIER_ANGLE, OUTLIER_BEARING, OUTLIER_DISTANCE = 0.17, 0.03, 0.04
# Frames filtered at once: bounds the memory.
BLOCK = 64
# Found on synthetic tracks and on videos; docs/benchmarks/bodies.md has what they give. An image determines
# the bearing of a person well and the distance poorly, so the two are smoothed separately.
ROTATIONS = OneEuro(min_cutoff=2.5, beta=1.5)
BEARINGS = OneEuro(min_cutoff=3.0, beta=12.0)
DISTANCES = OneEuro(min_cutoff=0.8, beta=1.5)
# Depth in metres below which a bearing x / z is numerically meaningless; not tuned.
MIN_DEPTH = 0.05


def smooth_rotations(wxyz: Floats, seconds: Floats, settings: OneEuro = ROTATIONS) -> Floats:
    """Unit quaternions (T, ..., 4) at rising `seconds` (T,), each joint smoothed separately."""
    if len(wxyz) < 3:
        return wxyz.copy()
    wxyz, seconds, inside = continue_rotations(wxyz, seconds)
    wxyz = _replace_outliers(wxyz, _count_reach(seconds))
    forwards = _filter_rotations(wxyz, seconds, settings)
    backwards = _filter_rotations(wxyz[::-1], seconds[-1] - seconds[::-1], settings)[::-1]
    return slerp(forwards, backwards, np.full(wxyz.shape[:-1], 0.5))[inside]


def smooth_positions(points: Floats, seconds: Floats) -> Floats:
    """Positions (T, 3) in metres in the camera's frame at rising `seconds` (T,), smoothed.

    The bearing (x / z, y / z) and the logarithm of the depth z are smoothed separately. A track that comes
    to the plane of the camera is returned unchanged.
    """
    if len(points) < 3 or points[:, 2].min() < MIN_DEPTH:
        return points.copy()
    bearings, times, inside = continue_values(points[:, :2] / points[:, 2:], seconds)
    bearing = _smooth(bearings, times, BEARINGS, OUTLIER_BEARING)[inside]
    distance = np.exp(_smooth(np.log(points[:, 2:]), seconds, DISTANCES, OUTLIER_DISTANCE))
    return np.concatenate([bearing * distance, distance], axis=1)


def slerp(a: Floats, b: Floats, share: Floats) -> Floats:
    """`share` (...) of the way from unit quaternions `a` to `b` (..., 4), the short way (Shoemake 1985)."""
    dot = (a * b).sum(axis=-1)
    b = np.where(dot[..., None] < 0, -b, b)
    half = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    sine = np.sin(half)
    flat = sine < 1e-6
    safe = np.where(flat, 1.0, sine)
    first = np.where(flat, 1.0 - share, np.sin((1.0 - share) * half) / safe)
    second = np.where(flat, share, np.sin(share * half) / safe)
    out = first[..., None] * a + second[..., None] * b
    unit: Floats = out / np.linalg.norm(out, axis=-1, keepdims=True)
    return unit


def angle_between(a: Floats, b: Floats) -> Floats:
    """The angle in radians (...) between unit quaternions (..., 4), exact for small ones too (Kahan)."""
    near = np.where((a * b).sum(axis=-1, keepdims=True) < 0, -b, b)
    angle: Floats = 4 * np.arctan2(np.linalg.norm(a - near, axis=-1), np.linalg.norm(a + near, axis=-1))
    return angle


def _replace_outliers(wxyz: Floats, reach: int) -> Floats:
    """Rotations (T, ..., 4) with those far from the medoid of their window replaced by it."""
    out = np.empty_like(wxyz)
    windows = _list_windows(len(wxyz), reach)
    for k in range(0, len(wxyz), BLOCK):
        near = wxyz[windows[k : k + BLOCK]]
        cost = sum(angle_between(near, near[:, m : m + 1]) for m in range(near.shape[1]))
        best = np.expand_dims(np.argmin(cost, axis=1), (1, -1))
        medoid = np.take_along_axis(near, best, axis=1)[:, 0]
        far = angle_between(near[:, 0], medoid) > OUTLIER_ANGLE
        out[k : k + BLOCK] = np.where(far[..., None], medoid, near[:, 0])
    return out


def _list_windows(count: int, reach: int) -> NDArray[np.int64]:
    """Rows (T, 2 reach + 1) around each row, mirrored at the ends; the row itself comes first."""
    order = sorted(range(-reach, reach + 1), key=abs)
    places = np.abs(np.arange(count)[:, None] + np.array(order))
    mirrored: NDArray[np.int64] = np.where(places >= count, 2 * (count - 1) - places, places)
    return np.clip(mirrored, 0, count - 1)


def _count_reach(seconds: Floats) -> int:
    """Frames that a window extends to each side."""
    return max(1, round(OUTLIER_SECONDS / float(np.median(np.diff(seconds)))))


def _filter_rotations(wxyz: Floats, seconds: Floats, settings: OneEuro) -> Floats:
    out = np.empty_like(wxyz)
    out[0] = wxyz[0]
    velocity = np.zeros((*wxyz.shape[1:-1], 3))
    for k in range(1, len(wxyz)):
        step = float(seconds[k] - seconds[k - 1])
        now = turn_between(wxyz[k - 1], wxyz[k]) / step
        velocity = velocity + _weigh(np.array(settings.speed_cutoff), step) * (now - velocity)
        speed = np.linalg.norm(velocity, axis=-1)
        out[k] = slerp(out[k - 1], wxyz[k], settings.alpha(speed, step))
    return out


def _smooth(values: Floats, seconds: Floats, settings: OneEuro, limit: float) -> Floats:
    """Values (T, N), each column smoothed separately; `limit` is that of outliers."""
    middle = np.median(values[_list_windows(len(values), _count_reach(seconds))], axis=1)
    values = np.where(np.abs(values - middle) > limit, middle, values)
    forwards = _filter_values(values, seconds, settings)
    backwards = _filter_values(values[::-1], seconds[-1] - seconds[::-1], settings)[::-1]
    return 0.5 * (forwards + backwards)


def _filter_values(values: Floats, seconds: Floats, settings: OneEuro) -> Floats:
    out = np.empty_like(values)
    out[0] = values[0]
    speed = np.zeros(values.shape[1:])
    for k in range(1, len(values)):
        step = float(seconds[k] - seconds[k - 1])
        now = (values[k] - values[k - 1]) / step
        speed = speed + _weigh(np.array(settings.speed_cutoff), step) * (now - speed)
        out[k] = out[k - 1] + settings.alpha(np.abs(speed), step) * (values[k] - out[k - 1])
    return out


def _weigh(cutoff: Floats, seconds: float) -> Floats:
    return np.asarray(1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff * seconds)), dtype=np.float64)
