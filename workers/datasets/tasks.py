"""What a pipeline gives its executor to do, and what it gets back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from maquette.contract.datasets import SourceInfo

from workers.datasets.clip_plan import ClipPlan
from workers.datasets.failures import Failure
from workers.datasets.records import ClipRecord
from workers.datasets.schema import ClipRow
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.keys import hash_rows

# what stages read of a source, in the order in which it enters keys: the contract may reorder its fields
ANNOTATIONS = (
    "attribution",
    "session",
    "time_assumed",
    "camera",
    "world_from_cam",
    "scale",
    "depth",
    "actions",
    "action_names",
    "action_types",
)
# words of the submitter that no stage reads
WORDS = ("name", "licence", "consent")


@dataclass(frozen=True, slots=True)
class SurveyTask:
    """A source to be surveyed; `message` goes with reports of progress, `survey` is there when it is done."""

    source: Source
    message: str | None = None
    survey: Survey | None = None


@dataclass(frozen=True, slots=True)
class ClipTask:
    """A clip that passed the clip gates; `row` is its row of `clips` as it was planned."""

    source: Source
    plan: ClipPlan
    row: ClipRow

    @property
    def inputs(self) -> tuple[str, ...]:
        """What every stage of the clip depends on: the source, its frames, and depth that came with it."""
        depth = self.source.info.depth
        return self.source.sha256, self.plan.id, *(() if depth is None else (str(depth.media.id),))

    @property
    def annotated_inputs(self) -> tuple[str, ...]:
        """The same with a hash of what is known about the source: cameras, poses, actions."""
        return *self.inputs, hash_rows([_dump_annotations(self.source.info)])


class ClipTasks:
    """The tasks of the planned clips that passed the clip gates, each made when it is its turn."""

    def __init__(self, sources: Sequence[Source], plans: Sequence[ClipPlan], rows: Sequence[ClipRow]) -> None:
        self._sources, self._plans, self._rows = sources, plans, rows
        self._count = sum(row.kept for row in rows)

    def __iter__(self) -> Iterator[ClipTask]:
        for plan, row in zip(self._plans, self._rows, strict=True):
            if row.kept:
                yield ClipTask(self._sources[plan.source], plan, row)

    def __len__(self) -> int:
        return self._count


@dataclass(frozen=True, slots=True)
class AssetTask:
    """A finished clip whose first `count` kept tracks are to become 3D assets."""

    record: ClipRecord
    count: int


@dataclass(frozen=True, slots=True)
class ClipResults:
    """Records in the order of their tasks.

    `limit` is the limit of the budget that left the other clips out, None where none did; `failed` has the
    clips that could not be processed.
    """

    records: Sequence[ClipRecord]
    limit: float | None = None
    failed: Mapping[str, Failure] = field(default_factory=dict)


def _dump_annotations(info: SourceInfo) -> str:
    """JSON of what stages read of a source's info."""
    fields = (info.model_dump_json(include={name})[1:-1] for name in ANNOTATIONS)
    return "{" + ",".join(fields) + "}"
