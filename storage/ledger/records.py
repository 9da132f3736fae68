"""Rows of the ledger as plain records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

# what each stage received and kept: records of stage, unit, given and kept
Funnel = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret; `remaining_seconds` is how long it was valid when it was read."""

    id: str
    tenant: str
    name: str
    scopes: frozenset[str]
    created_at: float
    expires_at: float | None
    remaining_seconds: float | None
    last_used_at: float | None


@dataclass(frozen=True, slots=True)
class MediaRow:
    """An upload of one tenant."""

    tenant: str
    sha256: str
    info: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker, the engines it has loaded, and what it last measured about itself."""

    id: str
    queue: str
    engines: list[dict[str, Any]]
    draining: bool
    stats: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A new job before it has an id; `request` is canonical JSON, `subject` the image it is about.

    `from_job` is the job that it continues.
    """

    tenant: str
    kind: str
    engine: str
    queue: str
    request: str
    request_hash: str
    timeout_seconds: int
    idempotency_key: str | None = None
    subject: str | None = None
    from_job: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a job before it is stored; `key` names it among the parts of its kind."""

    kind: str
    key: str
    queue: str
    request: str


@dataclass(frozen=True, slots=True)
class PartRow:
    """How a part ended; `output` is the sha256 of its output, `problem` why it has none."""

    key: str
    state: str
    output: str | None
    problem: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class WorkerSeconds:
    """Worker seconds; `gpu_seconds` counts those of workers with a GPU, which `seconds` includes."""

    seconds: float = 0.0
    gpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as the ledger stores it; times are seconds since the epoch; `parent` is set for parts."""

    id: str
    tenant: str
    kind: str
    state: str
    engine: str
    queue: str
    request: str
    request_hash: str
    timeout_seconds: int
    attempt: int
    handed_back: int
    worker: str | None
    task_id: str | None
    lease_until: float | None
    deadline_at: float | None
    cancel_requested_at: float | None
    progress: dict[str, Any] | None
    checkpoint: dict[str, Any] | None
    problem: dict[str, Any] | None
    manifest_sha256: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    subject: str | None
    parent: str | None
    part: str | None
    # seconds to the deadline at the claim; of a claimed job only
    remaining_seconds: float | None = None

    @classmethod
    def from_submission(cls, submission: Submission, job_id: str, created_at: float) -> "JobRow":
        """A job that has just been stored."""
        known = {name: getattr(submission, name) for name in Submission.__slots__ if name in cls.__slots__}
        begun = {"id": job_id, "state": "queued", "attempt": 0, "handed_back": 0, "created_at": created_at}
        return cls(**{**dict.fromkeys(cls.__slots__), **known, **begun})

    @classmethod
    def from_row(cls, row: Row[Any]) -> "JobRow":
        """From a row of the table."""
        values = {name: row._mapping[name] for name in STORED}
        for name in ("progress", "checkpoint", "problem"):
            values[name] = json.loads(values[name]) if values[name] else None
        return cls(**values)


STORED = tuple(name for name in JobRow.__slots__ if name != "remaining_seconds")
"""The fields of a job that are columns of its table."""
