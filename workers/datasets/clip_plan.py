"""Which frames of which source make a clip, before any engine has run."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import pairwise
from typing import Any

from workers.datasets.compact_ints import CompactInts
from workers.datasets.shots.rate_grid import measure_errors

PAIRS = ("rate", "time_base")
SERIES = ("frames", "pts", "points")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """A clip to be made of some of the decoded frames `first` to `last`, inclusive.

    `source` counts the sources of the dataset and `shot` the shots of that source, both from 0. `frames` are
    the decoded frames that are kept, about every `step`-th, and `pts` their ticks of `time_base` (numerator,
    denominator) seconds; `start` and `end` are the times of the first and the last one and `length` is that
    of the span the clip was cut from, all in seconds. `rate` is (numerator, denominator) of its grid in
    frames per second and `points` are the points of the grid that the frames serve; None without a grid.
    `flags` say what is irregular about the times. Plans of all clips of a dataset are in memory together, so
    one takes hardly more for more frames.
    """

    id: str
    source: int
    shot: int
    first: int
    last: int
    step: int
    frames: CompactInts
    pts: CompactInts
    time_base: tuple[int, int]
    start: float
    end: float
    length: float
    rate: tuple[int, int] | None
    points: CompactInts | None
    flags: tuple[str, ...]

    @property
    def times(self) -> list[float]:
        """Seconds of each kept frame after the first."""
        pts = list(self.pts)
        ticks = [tick - pts[0] for tick in pts]
        tick_seconds = (self.end - self.start) / ticks[-1] if ticks[-1] else 0.0
        return [tick * tick_seconds for tick in ticks]

    @property
    def time_errors(self) -> list[float] | None:
        """The time of each kept frame minus that of its point, in seconds; None without a grid."""
        if self.rate is None or self.points is None:
            return None
        time_base, rate = Fraction(*self.time_base), Fraction(*self.rate)
        return measure_errors(list(self.pts), list(self.points), time_base, rate)

    @property
    def leaves_out_frames(self) -> bool:
        """Whether there are decoded frames between two that are kept."""
        return any(after - before > 1 for before, after in pairwise(self.frames))

    @property
    def is_on_grid(self) -> bool:
        """Whether every point of the grid has a frame."""
        return self.points is not None and self.points == range(len(self.points))

    @property
    def frame_rate(self) -> float | None:
        """Stored frames per second: that of the grid, or else the mean; None for a single frame."""
        if len(self.frames) < 2:
            return None
        if self.rate is not None and self.is_on_grid:
            return float(Fraction(*self.rate))
        return (len(self.frames) - 1) / (self.end - self.start) if self.end > self.start else None

    def as_json(self) -> dict[str, Any]:
        """For a message to another worker."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            name: value.as_json() if isinstance(value, CompactInts) else value
            for name, value in values.items()
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ClipPlan":
        """What `as_json` returned."""
        series = {name: CompactInts.from_json(content[name]) for name in SERIES if content[name] is not None}
        pairs = {name: tuple(content[name]) for name in (*PAIRS, "flags") if content[name] is not None}
        return cls(**{**content, **series, **pairs})
