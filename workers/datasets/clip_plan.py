"""Which frames of which source make a clip, before any engine has run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """A clip to be made of the decoded frames `first` to `last`, inclusive, of which every `step`-th is kept.

    `source` counts the sources of the dataset and `shot` the shots of that source, both from 0. `pts` has
    the ticks of the kept frames; `start` and `end` are the times of the first and the last one and `length`
    is that of the span the clip was cut from, all in seconds.
    """

    id: str
    source: int
    shot: int
    first: int
    last: int
    step: int
    pts: tuple[int, ...]
    start: float
    end: float
    length: float

    @property
    def frames(self) -> list[int]:
        """The decoded frames that are kept."""
        return list(range(self.first, self.last + 1, self.step))

    @property
    def leaves_out_frames(self) -> bool:
        """Whether there are decoded frames between two that are kept."""
        return any(after - before > 1 for before, after in pairwise(self.frames))

    def as_json(self) -> dict[str, Any]:
        """For a message to another worker."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ClipPlan":
        """What `as_json` returned."""
        return cls(**{**content, "pts": tuple(content["pts"])})
