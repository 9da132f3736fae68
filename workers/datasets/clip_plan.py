"""Which frames of which source make a clip, before any engine has run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

LISTS = ("frames", "pts", "rate", "points", "time_errors", "flags")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """A clip to be made of some of the decoded frames `first` to `last`, inclusive.

    `source` counts the sources of the dataset and `shot` the shots of that source, both from 0. `frames` are
    the decoded frames that are kept, about every `step`-th, and `pts` their ticks; `start` and `end` are the
    times of the first and the last one and `length` is that of the span the clip was cut from, all in
    seconds. `rate` is (numerator, denominator) of its grid in frames per second, `points` are the points of
    the grid that the frames serve, and `time_errors` their times minus those of the points in seconds; None
    without a grid. `flags` say what is irregular about the times.
    """

    id: str
    source: int
    shot: int
    first: int
    last: int
    step: int
    frames: tuple[int, ...]
    pts: tuple[int, ...]
    start: float
    end: float
    length: float
    rate: tuple[int, int] | None
    points: tuple[int, ...] | None
    time_errors: tuple[float, ...] | None
    flags: tuple[str, ...]

    @property
    def times(self) -> list[float]:
        """Seconds of each kept frame after the first."""
        ticks = [tick - self.pts[0] for tick in self.pts]
        tick_seconds = (self.end - self.start) / ticks[-1] if ticks[-1] else 0.0
        return [tick * tick_seconds for tick in ticks]

    @property
    def leaves_out_frames(self) -> bool:
        """Whether there are decoded frames between two that are kept."""
        return any(after - before > 1 for before, after in pairwise(self.frames))

    @property
    def is_on_grid(self) -> bool:
        """Whether every point of the grid has a frame."""
        return self.points is not None and self.points == tuple(range(len(self.points)))

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
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ClipPlan":
        """What `as_json` returned."""
        lists = {name: tuple(content[name]) for name in LISTS if content[name] is not None}
        return cls(**{**content, **lists})
