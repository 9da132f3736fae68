"""Where the stages of clips run: each run of stages goes to a queue of workers that have what it declares."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from storage.broker import DEFAULT_QUEUE
from workers.datasets.executor import group_by_resources
from workers.datasets.protocols import Workspace
from workers.datasets.stages.base import ClipStage
from workers.datasets.stages.keys import hash_json
from workers.jobs.context import JobContext
from workers.jobs.dataset.outcomes import CLIPS, HANDED_OVER


@dataclass(frozen=True, slots=True)
class Placement:
    """Stages that one part runs, by name, and the kind and the queue of that part."""

    kind: str
    queue: str
    stages: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For the request of a part."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Placement":
        """What `as_json` returned."""
        return cls(content["kind"], content["queue"], tuple(content["stages"]))


def find_cpu_queue(context: JobContext) -> str:
    """The queue of workers without a GPU, where there are any; else that of the job."""
    return DEFAULT_QUEUE if DEFAULT_QUEUE in context.parts.list_queues() else context.job.queue


def place_stages(context: JobContext, workspace: Workspace, stages: Sequence[ClipStage]) -> list[Placement]:
    """The parts that a clip takes, in order: GPU stages go to the job's queue, others to workers without one.

    Without such workers, or without a stage that needs a GPU, one part runs all stages. A job keeps to what
    it began
    with. Raises ValueError when anything but the frames' tracks would have to be handed over.
    """
    groups = group_by_resources(stages)
    if len(groups) == 1 or not _are_apart(context, workspace):
        return [Placement(CLIPS, context.job.queue, tuple(stage.name for stage in stages))]
    first, *others = groups
    if len(others) != 1 or first[-1].name != "tracks":
        raise ValueError("only the tracks of frames are handed over between workers")
    return [
        Placement(HANDED_OVER, context.job.queue, tuple(stage.name for stage in first)),
        Placement(CLIPS, find_cpu_queue(context), tuple(stage.name for stage in others[0])),
    ]


def _are_apart(context: JobContext, workspace: Workspace) -> bool:
    """Whether workers without a GPU take the stages that need none; looked up once per job."""
    key = hash_json(["apart"])
    known = workspace.get_cached(key)
    if known is None:
        known = b"yes" if find_cpu_queue(context) != context.job.queue else b"no"
        workspace.put_cached(key, known)
    return known == b"yes"
