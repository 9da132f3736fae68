"""A track as a path in time: where it is and how it appears in windows of seconds, not of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workers.datasets.gates.track_metrics import TrackStats
from workers.engines.concepts.images.color_histograms import Histogram
from workers.engines.protocols import Box

Floats = NDArray[np.float64]
# a slice of the observations of a track
Window = slice


@dataclass(frozen=True)
class TrackPath:
    """The observations of a track; `times` are those of the clip's frames in seconds."""

    stats: TrackStats
    times: Sequence[float]

    @cached_property
    def seconds(self) -> Floats:
        """The time of each observation (N,)."""
        return np.asarray(self.times, np.float64)[self.stats.frames]

    @cached_property
    def centers(self) -> Floats:
        """The middles of the boxes (N, 2), xy in pixels."""
        boxes = np.asarray(self.stats.boxes, np.float64)
        return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2)

    @cached_property
    def size(self) -> float:
        """The usual square root of the area, in pixels."""
        return float(np.sqrt(np.median(self.stats.areas)))

    @cached_property
    def _sums(self) -> Floats:
        # running sums, so that the mean of a window is one subtraction; a sliver says little about an object
        weighted = np.stack(self.stats.appearances) * np.asarray(self.stats.areas, np.float64)[:, None]
        return np.concatenate([np.zeros((1, weighted.shape[1])), np.cumsum(weighted, axis=0)])

    def window(self, start: float, stop: float) -> Window:
        """The observations in [start, stop) seconds."""
        first, last = np.searchsorted(self.seconds, (start, stop), side="left")
        return slice(int(first), int(last))

    def window_before(self, moment: float, seconds: float) -> Window:
        """The observations before a moment, back from the last one of them for so many seconds."""
        stop = int(np.searchsorted(self.seconds, moment, side="left"))
        if stop == 0:
            return slice(0, 0)
        start = np.searchsorted(self.seconds, self.seconds[stop - 1] - seconds, side="left")
        return slice(int(start), stop)

    def average_appearance(self, window: Window) -> Histogram:
        """The mean histogram of a window that is not empty, weighted by area."""
        total = sum(self.stats.areas[window])
        return np.asarray((self._sums[window.stop] - self._sums[window.start]) / max(1, total), np.float32)

    def predict(self, window: Window, moment: float) -> Floats:
        """The place (2,) at a moment, by the straight line through a window of two or more observations."""
        seconds = self.seconds[window] - moment
        lines = np.stack([seconds, np.ones_like(seconds)], axis=1)
        solution, *_ = np.linalg.lstsq(lines, self.centers[window], rcond=None)
        return np.asarray(solution[1])

    def box_at(self, frame: int) -> Box | None:
        """The box in a frame of the clip, None where the track is not seen."""
        index = int(np.searchsorted(self.stats.frames, frame))
        seen = index < len(self.stats.frames) and self.stats.frames[index] == frame
        return self.stats.boxes[index] if seen else None


def count_entries(window: Window) -> int:
    """How many observations a window has."""
    return int(window.stop - window.start)
