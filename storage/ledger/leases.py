"""Jobs from the worker's side: claim, heartbeat, fenced commit, hand back.

Every write names the attempt it was claimed under: a worker that lost its lease changes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, select, update

from storage.ledger import parts as job_parts
from storage.ledger import usage
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.jobs import COLUMNS, drop_parts, record_event
from storage.ledger.records import Funnel, JobRow, Part, WorkerSeconds
from storage.ledger.tables import jobs, workers

FIND_TENANT = select(jobs.c.tenant).where(jobs.c.id == bindparam("job"))


class HeartbeatReply(Enum):
    """What a worker has to do now, as a heartbeat returns it."""

    CONTINUE = "continue"
    CANCEL = "cancel"
    TIMEOUT = "timeout"
    HAND_BACK = "hand_back"
    LOST = "lost"


def claim(
    db: Database,
    job_id: str,
    worker: str,
    lease_seconds: float,
    task_id: str | None = None,
    *,
    max_running: float = 0,
) -> JobRow | None:
    """Claim a queued job; None when another worker has it, it has ended, or its tenant runs enough jobs.

    `task_id` is the id of the message that woke the worker; the reaper can kill its process by it.
    `max_running` is for tenants that have no limit of their own.
    """
    with db.write() as connection:
        tenant = connection.execute(FIND_TENANT, {"job": job_id}).scalar()
        if tenant is None or not usage.may_run(connection, tenant, max_running):
            return None
        row = connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state == "queued")
            .values(
                state="running",
                attempt=jobs.c.attempt + 1,
                worker=worker,
                task_id=task_id,
                lease_until=now() + lease_seconds,
                # a job that was parked keeps its deadline
                deadline_at=func.coalesce(jobs.c.deadline_at, now() + jobs.c.timeout_seconds),
                started_at=case((jobs.c.started_at.is_(None), now()), else_=jobs.c.started_at),
            )
            .returning(*COLUMNS, (jobs.c.deadline_at - now()).label("remaining_seconds"))
        ).one_or_none()
        if row is None:
            return None
        record_event(connection, job_id, "state", {"state": "running", "attempt": row.attempt})
    return replace(JobRow.from_row(row), remaining_seconds=float(row.remaining_seconds))


def claim_next_of_subject(
    db: Database,
    job: JobRow,
    worker: str,
    lease_seconds: float,
    task_id: str | None,
    *,
    max_running: float = 0,
) -> JobRow | None:
    """Claim the oldest queued job about the same image as `job`, of the same tenant and queue."""
    if job.subject is None:
        return None
    same = (
        jobs.c.subject == job.subject,
        jobs.c.state == "queued",
        jobs.c.tenant == job.tenant,
        jobs.c.queue == job.queue,
    )
    with db.read() as connection:
        job_id = connection.execute(select(jobs.c.id).where(*same).order_by(jobs.c.id).limit(1)).scalar()
    if job_id is None:
        return None
    return claim(db, job_id, worker, lease_seconds, task_id, max_running=max_running)


def heartbeat(
    db: Database, job: JobRow, lease_seconds: float, progress: dict[str, Any] | None = None
) -> HeartbeatReply:
    """Keep the lease and report progress; returns what the worker has to do now.

    Deadlines are the worker's own matter: it counts by a clock that does not jump.
    """
    with db.write() as connection:
        values: dict[str, Any] = {"lease_until": now() + lease_seconds}
        if progress is not None:
            values["progress"] = json.dumps(progress)
        row = connection.execute(
            update(jobs).where(*_held(job)).values(**values).returning(jobs.c.cancel_requested_at)
        ).one_or_none()
        if row is None:
            return HeartbeatReply.LOST
        if progress is not None:
            record_event(connection, job.id, "progress", progress)
        draining = connection.execute(select(workers.c.draining).where(workers.c.id == job.worker)).scalar()
    if row.cancel_requested_at is not None:
        return HeartbeatReply.CANCEL
    return HeartbeatReply.HAND_BACK if draining else HeartbeatReply.CONTINUE


def checkpoint(
    db: Database, job: JobRow, state: dict[str, Any], artefacts: Sequence[dict[str, Any]] = ()
) -> bool:
    """Store where to resume, and record the artefacts made until there; False when the lease is lost."""
    with db.write() as connection:
        result = connection.execute(update(jobs).where(*_held(job)).values(checkpoint=json.dumps(state)))
        if result.rowcount:
            for artefact in artefacts:
                record_event(connection, job.id, "artefact", artefact)
        return bool(result.rowcount)


def succeed(db: Database, job: JobRow, manifest_sha256: str) -> bool:
    """Commit a result; False when the lease is lost, and then nothing changed."""
    return _finish(db, job, "succeeded", {"manifest_sha256": manifest_sha256})


def complete(
    db: Database,
    part: JobRow,
    output: str,
    used: WorkerSeconds,
    artefacts: Sequence[dict[str, Any]],
    then: Sequence[Part] = (),
    funnel: Funnel = (),
) -> bool:
    """Commit a part's output, record its artefacts, and add the parts that continue it.

    `funnel` is added to that of its job. False when the lease is lost.
    """
    values = {
        "manifest_sha256": output,
        "spent_seconds": used.seconds,
        "spent_gpu_seconds": used.gpu_seconds,
    }
    return _finish(db, part, "succeeded", values, artefacts, used, then, funnel)


def park(db: Database, job: JobRow, parts: Sequence[Part], funnel: Funnel = ()) -> bool:
    """Park a job until these parts of it are done, which add to `funnel`; False when the lease is lost."""
    with db.write() as connection:
        result = connection.execute(
            update(jobs)
            .where(*_held(job))
            .values(
                handed_back=jobs.c.handed_back + 1,
                worker=None,
                task_id=None,
                lease_until=None,
                dispatched_at=None,
            )
        )
        if result.rowcount:
            job_parts.add(connection, job, parts, db.time)
            job_parts.begin(connection, job.id, parts[0].kind, funnel)
        return bool(result.rowcount)


def fail(db: Database, job: JobRow, problem: dict[str, Any]) -> bool:
    """End a job with a problem; False when the lease is lost."""
    return _finish(db, job, "failed", {"problem": json.dumps(problem)})


def end_cancelled(db: Database, job: JobRow) -> bool:
    """End a job that was asked to stop; False when the lease is lost."""
    return _finish(db, job, "cancelled", {})


def hand_back(db: Database, job: JobRow) -> bool:
    """Hand a job back because the worker drains; the attempt does not count. False when the lease is lost."""
    with db.write() as connection:
        result = connection.execute(
            update(jobs)
            .where(*_held(job))
            .values(
                state="queued",
                handed_back=jobs.c.handed_back + 1,
                worker=None,
                lease_until=None,
                deadline_at=None,
                dispatched_at=None,
            )
        )
        if result.rowcount:
            record_event(connection, job.id, "state", {"state": "queued", "reason": "handed_back"})
        return bool(result.rowcount)


def retry(db: Database, part: JobRow) -> bool:
    """Requeue a part after a failed attempt; False when the lease is lost."""
    with db.write() as connection:
        result = connection.execute(
            update(jobs)
            .where(*_held(part))
            .values(state="queued", worker=None, lease_until=None, deadline_at=None, dispatched_at=None)
        )
        if result.rowcount:
            record_event(connection, part.id, "state", {"state": "queued", "reason": "went_wrong"})
        return bool(result.rowcount)


def _finish(
    db: Database,
    job: JobRow,
    state: str,
    values: dict[str, Any],
    artefacts: Sequence[dict[str, Any]] = (),
    used: WorkerSeconds | None = None,
    then: Sequence[Part] = (),
    funnel: Funnel = (),
) -> bool:
    with db.write() as connection:
        if job.parent is not None:
            job_parts.lock(connection, job.parent)
        result = connection.execute(
            update(jobs)
            .where(*_held(job))
            .values(state=state, finished_at=now(), lease_until=None, checkpoint=None, **values)
        )
        if not result.rowcount:
            return False
        record_event(connection, job.id, "state", {"state": state})
        if job.parent is None:
            drop_parts(connection, job.id)
        else:
            for artefact in artefacts:
                record_event(connection, job.parent, "artefact", artefact)
            job_parts.add(connection, job, then, db.time)
            job_parts.record_end(connection, job, state, used, funnel)
        return True


def _held(job: JobRow) -> tuple[ColumnElement[bool], ...]:
    return (jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.state == "running")
