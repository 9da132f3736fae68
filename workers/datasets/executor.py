"""Who does the work of a pipeline: one process from the first clip to the last, or many workers together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from workers.datasets.failures import Failure
from workers.datasets.records import ClipRecord
from workers.datasets.schema import ClipRow
from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source


@dataclass(frozen=True, slots=True)
class ClipTask:
    """A clip that passed the cheap gates; `clip` is its row as it was planned."""

    source: Source
    plan: ClipPlan
    clip: ClipRow


@dataclass(frozen=True, slots=True)
class AssetTask:
    """A clip of which the first `count` kept tracks are to be lifted."""

    record: ClipRecord
    count: int


@dataclass(frozen=True, slots=True)
class ClipResults:
    """Records in the order of their tasks; `limit` is the limit of the budget that left the others out.

    `failed` has the clips that could not be worked on.
    """

    records: tuple[ClipRecord, ...]
    limit: float | None = None
    failed: Mapping[str, Failure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What came of one task, as bytes; empty `data` with a `limit` was left out by the budget.

    With `on_gpu` its stages held a GPU. With a `failure` it can never be done.
    """

    data: bytes
    stages: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    on_gpu: bool = False
    failure: Failure | None = None

    @property
    def done(self) -> bool:
        """Whether there is data."""
        return self.limit is None and self.failure is None

    def encode(self) -> bytes:
        """One line of JSON, then the data."""
        told = {"stages": dict(self.stages), "limit": self.limit, "on_gpu": self.on_gpu}
        if self.failure is not None:
            told["failure"] = self.failure.as_json()
        return json.dumps(told).encode() + b"\n" + self.data

    @classmethod
    def decode(cls, content: bytes) -> "PartOutcome":
        """What `encode` wrote."""
        head, _, data = content.partition(b"\n")
        told = json.loads(head)
        failure = Failure(**told["failure"]) if "failure" in told else None
        return cls(data, told["stages"], told["limit"], told["on_gpu"], failure)


class Executor(Protocol):
    """Does each task once, however often it is interrupted and asked again."""

    def surveys(self, sources: Sequence[Source]) -> list[Survey]:
        """One cheap look at each source."""
        ...

    def clips(self, tasks: Sequence[ClipTask]) -> ClipResults:
        """Everything about each clip but its assets."""
        ...

    def assets(self, tasks: Sequence[AssetTask]) -> ClipResults:
        """The records with their assets; those that were left out are missing."""
        ...


def dump_plan(plan: ClipPlan) -> dict[str, object]:
    """A plan for a message."""
    return asdict(plan)


def parse_plan(content: Mapping[str, object]) -> ClipPlan:
    """What `plan_json` wrote."""
    values = dict(content)
    pts = values.pop("pts")
    assert isinstance(pts, list)
    return ClipPlan(**values, pts=tuple(pts))  # type: ignore[arg-type]
