"""Solids of revolution that lie: a roller, a dumbbell, a bottle on its side.

Their outline has a mirror line that is not upright. A camera that looks down sees the lower end of a level
axis nearer; flat ends tell the slant as they do for upright solids, round ends leave it to the usual pitch.
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.frames import frame_of
from workers.engines.objects.single_view import revolution as turned
from workers.engines.objects.single_view.coarse_mask import Window

Array = NDArray[np.float64]
EVEN, FOUND = 0.92, 0.955
STEEPEST_LINE = 65.0
LEAST_ASPECT, ROUND = 1.25, 0.97
TURNS = np.arange(-9.0, 9.1, 1.5)
SLANTS = tuple(range(0, 61, 5))
PITCH, MOST = 25.0, 45.0
ENOUGH = 0.0075


def fit(window: Window) -> turned.Turned | None:
    """The solid of revolution with a level axis that explains a mask; None where none does."""
    # an ellipse is seen of round things, whose axis does not matter
    if window.aspect() < LEAST_ASPECT or window.ellipse_iou() > ROUND:
        return None
    point, direction, even = midline(window)
    if even < EVEN or np.degrees(np.arcsin(min(abs(direction[1]), 1.0))) > STEEPEST_LINE:
        return None
    fits = [turned.fit(window, point, direction, -slant) for slant in SLANTS]
    best = max(one.iou for one in fits)
    if best < FOUND:
        return None
    explained = [one for one in fits if one.iou >= best - ENOUGH]
    usual = usual_slant(direction)
    steepest = max(-one.tilt for one in explained)
    return turned.fit(window, point, direction, -min(steepest, usual))


def axes(window: Window, found: turned.Turned) -> Array:
    """Rows x along the axis, y as upright as that leaves it, and z to the camera's side."""
    frame = frame_of(window)
    along = found.axis.up
    up = frame.upright(PITCH)
    up = up - (up @ along) * along
    up = up / np.linalg.norm(up)
    facing = np.cross(along, up)
    sign = -1.0 if facing @ frame.view > 0 else 1.0
    return np.stack([sign * along, up, sign * facing])


def usual_slant(direction: Array) -> float:
    """Degrees by which a level axis seen along an image direction (2,) points at a camera of the usual pitch.

    Where that is steep it is less: a guess too steep draws the object out without end.
    """
    # seen at yaw y, a level axis goes (sin y, cos y sin p) in the picture and cos y cos p towards the camera
    sine = np.sin(np.radians(PITCH))
    yaw = np.arctan2(abs(direction[0]) * sine, abs(direction[1]))
    return min(float(np.degrees(np.arcsin(np.cos(yaw) * np.cos(np.radians(PITCH))))), MOST)


def midline(window: Window) -> tuple[Array, Array, float]:
    """The mirror line along a mask's longer spread: a pixel on it, its unit direction up, and how even."""
    ys, xs = np.nonzero(window.mask)
    pixels = np.stack([xs, ys], axis=1) + 0.5
    point = pixels.mean(axis=0)
    long = np.linalg.eigh(np.cov((pixels - point).T))[1][:, 1]
    first = np.arctan2(long[1], long[0])
    best: tuple[float, Array, Array] = (0.0, point, long)
    for turn in np.radians(TURNS):
        direction = np.array([np.cos(first + turn), np.sin(first + turn)])
        across = np.array([-direction[1], direction[0]])
        reach = (pixels - point) @ across
        middle = point + across * (reach.min() + reach.max()) / 2
        for at in (point, middle):
            even = turned.evenness(window, at, direction)
            if even > best[0]:
                best = (even, at, direction)
    even, point, direction = best
    return point, -direction if direction[1] > 0 else direction, even
