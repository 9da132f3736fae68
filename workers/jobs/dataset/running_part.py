"""A part of a dataset job that this worker has claimed."""

from dataclasses import dataclass, field
from typing import Any

from maquette.contract import DatasetJob, MediaRef

from workers.datasets.failures import Failure
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.stopwatch import Stopwatch
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.origins import Origin
from workers.jobs.dataset.outcomes import PartOutcome
from workers.jobs.dataset.workspace import open_source

# attempts at a part whose error may pass: as many as it has workers to lose
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class RunningPart:
    """`content` is the request of the part, `request` and `settings` are those of the job."""

    context: JobContext
    request: DatasetJob
    settings: DatasetSettings
    content: dict[str, Any]
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def has_attempts_left(self) -> bool:
        """Whether the part may be tried again."""
        return self.context.job.attempt - self.context.job.handed_back < ATTEMPTS

    @property
    def limit(self) -> float | None:
        """The limit of the budget that forbids to begin this part."""
        limits = self.settings.limits
        if not limits.any:
            return None
        spent = self.context.parts.worker_seconds()
        return limits.reached(spent.seconds, spent.gpu_seconds)

    def open_source(self) -> Source:
        """The video that the part is about."""
        info = Origin.from_json(self.content["origin"]).load_info(self.request)
        return open_source(self.context, MediaRef(id=self.content["sha256"]), info)

    def check_key(self, key: str) -> None:
        """Raise JobProblem `worker_differs`: other code or weights would mix two datasets in one."""
        if key != self.context.job.part:
            raise JobProblem(
                "worker_differs",
                "this worker has other code, weights or plug-ins than the one that planned the job: "
                "run the same release on all workers, and send the job again",
                409,
            )

    def finish(self, data: bytes) -> PartOutcome:
        """The outcome of a part that is done."""
        return PartOutcome(data, self.stopwatch.seconds)

    def fail(self, failure: Failure | None) -> PartOutcome:
        """The outcome of a part that can never be done."""
        return PartOutcome(b"", self.stopwatch.seconds, failure=failure)
