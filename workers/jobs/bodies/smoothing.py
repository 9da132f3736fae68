"""Pose smoothing over time without delay: the One-Euro filter, forwards and backwards.

Casiez, Roussel and Vogel, "1 Euro Filter" (CHI 2012): a low-pass whose cutoff rises with speed, cutoff =
min_cutoff + beta * |speed|, alpha = 1 / (1 + 1 / (2 pi cutoff dt)). For rotations the speed is angular and
the low-pass is SLERP, as for vectors it is a mix. The whole track is known, so both directions are run and
their middle is taken: their delays cancel.

Before it, values that stand alone are dropped (Hampel's filter): where a rotation is far from the medoid of a
short window, the member that is nearest to the others, that one takes its place; so does the median of
positions. Steady motion passes unchanged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OneEuro:
    """`min_cutoff` and `speed_cutoff` in Hz; `beta` in Hz per unit of speed (1/s of the signal's unit)."""

    min_cutoff: float
    beta: float
    speed_cutoff: float = 1.0

    def alpha(self, speed: Floats, seconds: float) -> Floats:
        """The share of a new value at a speed."""
        return _share(self.min_cutoff + self.beta * speed, seconds)


# What lasts for less than about this long, and goes so far, is no motion of a person: radians for rotations
# and bearings, shares for distances.
ALONE_SECONDS = 0.07
ALONE_ANGLE, ALONE_BEARING, ALONE_DISTANCE = 0.17, 0.03, 0.04
BLOCK = 64
# Found on synthetic tracks and on videos; see docs/bodies.md. A picture tells the bearing of a person well
# and the distance badly, so they are smoothed apart.
ROTATIONS = OneEuro(min_cutoff=2.5, beta=1.5)
BEARINGS = OneEuro(min_cutoff=3.0, beta=12.0)
DISTANCES = OneEuro(min_cutoff=0.8, beta=1.5)
# Nearer than this, in metres, a bearing means nothing.
NEAREST = 0.05


def smooth_rotations(wxyz: Floats, seconds: Floats, settings: OneEuro = ROTATIONS) -> Floats:
    """Unit quaternions (T, ..., 4) at rising `seconds` (T,), smoothed each on its own."""
    if len(wxyz) < 3:
        return wxyz.copy()
    wxyz = _without_lone_rotations(wxyz, _reach(seconds))
    ahead = _rotations(wxyz, seconds, settings)
    back = _rotations(wxyz[::-1], seconds[-1] - seconds[::-1], settings)[::-1]
    return slerp(ahead, back, np.full(wxyz.shape[:-1], 0.5))


def smooth_positions(points: Floats, seconds: Floats) -> Floats:
    """Positions (T, 3) in metres in the camera's frame at rising `seconds` (T,), smoothed.

    The bearing (x / z, y / z) and the logarithm of the distance z are smoothed apart. A track that comes to
    the camera's own plane is given back as it is.
    """
    if len(points) < 3 or points[:, 2].min() < NEAREST:
        return points.copy()
    bearing = _smooth(points[:, :2] / points[:, 2:], seconds, BEARINGS, ALONE_BEARING)
    distance = np.exp(_smooth(np.log(points[:, 2:]), seconds, DISTANCES, ALONE_DISTANCE))
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


def _without_lone_rotations(wxyz: Floats, reach: int) -> Floats:
    """Rotations (T, ..., 4), those that are far from their window's medoid replaced by it."""
    out = np.empty_like(wxyz)
    windows = _windows(len(wxyz), reach)
    for k in range(0, len(wxyz), BLOCK):
        near = wxyz[windows[k : k + BLOCK]]
        cost = sum(angle_between(near, near[:, m : m + 1]) for m in range(near.shape[1]))
        best = np.expand_dims(np.argmin(cost, axis=1), (1, -1))
        medoid = np.take_along_axis(near, best, axis=1)[:, 0]
        far = angle_between(near[:, 0], medoid) > ALONE_ANGLE
        out[k : k + BLOCK] = np.where(far[..., None], medoid, near[:, 0])
    return out


def _windows(count: int, reach: int) -> NDArray[np.int64]:
    """Places (T, 2 reach + 1) about each time, mirrored at the ends; the time itself comes first."""
    order = sorted(range(-reach, reach + 1), key=abs)
    places = np.abs(np.arange(count)[:, None] + np.array(order))
    mirrored: NDArray[np.int64] = np.where(places >= count, 2 * (count - 1) - places, places)
    return np.clip(mirrored, 0, count - 1)


def _reach(seconds: Floats) -> int:
    """How many frames a window reaches to each side."""
    return max(1, round(ALONE_SECONDS / float(np.median(np.diff(seconds)))))


def _rotations(wxyz: Floats, seconds: Floats, settings: OneEuro) -> Floats:
    out = np.empty_like(wxyz)
    out[0] = wxyz[0]
    speed = np.zeros(wxyz.shape[1:-1])
    for k in range(1, len(wxyz)):
        step = float(seconds[k] - seconds[k - 1])
        now = angle_between(wxyz[k - 1], wxyz[k]) / step
        speed = speed + _share(np.array(settings.speed_cutoff), step) * (now - speed)
        out[k] = slerp(out[k - 1], wxyz[k], settings.alpha(speed, step))
    return out


def _smooth(values: Floats, seconds: Floats, settings: OneEuro, alone: float) -> Floats:
    """Numbers (T, N), each column on its own."""
    middle = np.median(values[_windows(len(values), _reach(seconds))], axis=1)
    values = np.where(np.abs(values - middle) > alone, middle, values)
    ahead = _numbers(values, seconds, settings)
    back = _numbers(values[::-1], seconds[-1] - seconds[::-1], settings)[::-1]
    return 0.5 * (ahead + back)


def _numbers(values: Floats, seconds: Floats, settings: OneEuro) -> Floats:
    out = np.empty_like(values)
    out[0] = values[0]
    speed = np.zeros(values.shape[1:])
    for k in range(1, len(values)):
        step = float(seconds[k] - seconds[k - 1])
        now = (values[k] - values[k - 1]) / step
        speed = speed + _share(np.array(settings.speed_cutoff), step) * (now - speed)
        out[k] = out[k - 1] + settings.alpha(np.abs(speed), step) * (values[k] - out[k - 1])
    return out


def _share(cutoff: Floats, seconds: float) -> Floats:
    return np.asarray(1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff * seconds)), dtype=np.float64)
