"""Sums over all phases that a track may have, from which the likelihood of any polynomial of time follows."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ACROSS, ALONG, UP = 0, 1, 2
# Longest phase in seconds that is looked at as one; what lasts longer is a chain of phases.
LONGEST_PHASE = 2.0
# How far the estimated distance wanders, relative.
DRIFT = 0.03


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Track:
    """P points of a person in T frames: `places` (T, P, 3) in metres, right, ahead and up, the floor at 0.

    `seconds` (T,); `views` (T, 3) lead from the camera to the person, in the same axes and metres; `weights`
    (T,) are the share of a frame's evidence that counts, 0 where nothing was seen.
    """

    places: Floats
    seconds: Floats
    views: Floats
    weights: Floats

    def cut(self, start: int, stop: int) -> "Track":
        """The frames from `start` to before `stop`."""
        part = slice(start, stop)
        return Track(
            places=self.places[part],
            seconds=self.seconds[part],
            views=self.views[part],
            weights=self.weights[part],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Sums over all phases of one length, N of them: about the place in the middle, in the axes across the
    line of sight, along it, and up."""

    count: Floats  # (N,)
    gram: Floats  # (N, 4, 4)
    mixed: Floats  # (N, 4, P, 3)
    squares: Floats  # (N, P, 3)
    drift: Floats  # (N, 2) how far the distance wanders, in metres along and up
    half: Floats  # (N,) half the duration in seconds


def turn_to_view(places: Floats, views: Floats) -> Floats:
    """Places (T, P, 3) in axes across the line of sight, along it, and up, by the mean of `views` (T, 3)."""
    ahead = views[:, :2].mean(axis=0)
    x, y = ahead / max(float(np.linalg.norm(ahead)), 1e-9)
    turned: Floats = places @ np.array([[y, x, 0.0], [-x, y, 0.0], [0.0, 0.0, 1.0]])
    return turned


def sum_windows(track: Track) -> list[Windows]:
    """The sums of phases with one frame, with two frames, and so on up to LONGEST_PHASE."""
    seconds = track.seconds
    frames, points = track.places.shape[:2]
    step = float(np.median(np.diff(seconds)))
    windows = []
    for length in range(1, min(frames, max(int(LONGEST_PHASE / step), 3)) + 1):
        times = sliding_window_view(seconds, length)
        weights = sliding_window_view(track.weights, length)
        half = 0.5 * (times[:, -1] - times[:, 0] + step)
        times = (times - 0.5 * (times[:, :1] + times[:, -1:])) / half[:, None]
        basis = times[:, :, None] ** np.arange(4)
        values = sliding_window_view(track.places.reshape(frames, -1), length, axis=0)
        values = values.reshape(len(times), points, 3, length)
        middle = values[..., length // 2].copy()
        middle[..., UP] = 0.0
        values = values - middle[..., None]
        ahead = sliding_window_view(track.views, length, axis=0).mean(axis=-1)
        distance = np.maximum(np.linalg.norm(ahead[:, :2], axis=1), 1e-9)
        x, y = (ahead[:, :2] / distance[:, None]).T
        turned = np.empty_like(values)
        turned[..., ACROSS, :] = y[:, None, None] * values[..., 0, :] - x[:, None, None] * values[..., 1, :]
        turned[..., ALONG, :] = x[:, None, None] * values[..., 0, :] + y[:, None, None] * values[..., 1, :]
        turned[..., UP, :] = values[..., 2, :]
        heavy = weights[:, :, None] * basis
        flat = turned.reshape(len(times), 3 * points, length)
        windows.append(
            Windows(
                count=weights.sum(axis=1),
                gram=np.swapaxes(heavy, 1, 2) @ basis,
                mixed=np.swapaxes(flat @ heavy, 1, 2).reshape(len(times), 4, points, 3),
                squares=((flat**2) @ weights[:, :, None]).reshape(len(times), points, 3),
                drift=DRIFT * np.stack([distance, np.abs(ahead[:, 2])], axis=1),
                half=half,
            )
        )
    return windows
