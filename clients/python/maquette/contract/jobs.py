"""A job as the service reports it."""

from datetime import datetime
from typing import Any, Literal

from maquette.contract.base import ResponseModel
from maquette.contract.datasets import FunnelStep
from maquette.contract.media import Sha256
from maquette.contract.problems import Problem
from maquette.contract.requests.common import JobId
from maquette.contract.results import Manifest

JobKind = Literal["segment", "track", "objects", "bodies", "scene", "dataset", "convert"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
FINAL_STATES: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired"})


class Progress(ResponseModel):
    """How far a job is."""

    stage: str
    """Name of the current stage."""
    done: int = 0
    """Finished units of the stage."""
    total: int | None = None
    """All units of the stage; null while it is unknown."""
    message: str | None = None
    """A sentence for a person."""
    preview: Sha256 | None = None
    """Hash of a preview artefact."""
    funnel: list[FunnelStep] | None = None
    """What each stage of a dataset job has received and kept so far; not in every event."""


class Job(ResponseModel):
    """A job as the service reports it."""

    id: JobId
    kind: JobKind
    state: JobState
    engine: str
    """The engine that was asked for."""
    created_at: datetime
    started_at: datetime | None = None
    """When the first attempt started; null while the job is queued."""
    finished_at: datetime | None = None
    attempt: int = 0
    """Number of attempts so far."""
    cancel_requested: bool = False
    """Whether a running job was asked to stop."""
    progress: Progress | None = None
    problem: Problem | None = None
    """Why the job failed."""
    result: Manifest | None = None
    """Present once the job has succeeded; null in lists."""
    result_sha256: Sha256 | None = None
    """Hash of the manifest."""
    request: dict[str, Any] | None = None
    """The request as it was submitted; null in lists."""


class JobPage(ResponseModel):
    """One page of jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None = None
    """Cursor of the next page; null on the last page."""
