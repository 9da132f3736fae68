"""What the reaper does in the ledger: it ends or requeues jobs that lost their lease or are overdue."""

import json
from dataclasses import dataclass
from typing import Any

from maquette.contract import Problem
from sqlalchemy import Connection, func, select, update

from storage.ledger import parts
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.jobs import PARKED, drop_parts, record_event
from storage.ledger.tables import jobs

# a job that was claimed once, and a part of a job, have a deadline in place of a time to expire
NEVER_RAN = (jobs.c.attempt == 0) & jobs.c.parent.is_(None)
EXHAUSTED = "every attempt lost its worker; the input may crash the engine"


@dataclass(frozen=True, slots=True)
class ReapReport:
    """Jobs that were requeued, jobs that ended, and the messages whose processes must be killed."""

    requeued: tuple[str, ...]
    ended: tuple[str, ...]
    to_kill: tuple[str, ...]


def reap(db: Database, *, max_attempts: int, cancel_grace: float, queue_seconds: float) -> ReapReport:
    """End or requeue every job whose worker is gone or does not react."""
    requeued: list[str] = []
    ended: list[str] = []
    to_kill: list[str] = []
    with db.read() as connection:
        stale = connection.execute(
            select(jobs.c.id, jobs.c.parent, jobs.c.kind).where(
                ((jobs.c.state == "running") & (jobs.c.lease_until < now()))
                | ((jobs.c.state == "running") & (jobs.c.cancel_requested_at < now() - cancel_grace))
                | (PARKED & (jobs.c.deadline_at < now()))
                | ((jobs.c.state == "queued") & NEVER_RAN & (jobs.c.created_at < now() - queue_seconds))
            )
        )
        candidates = list(stale)
    for job_id, parent, kind in candidates:
        with db.write() as connection:
            if parent is not None:
                parts.lock(connection, parent)
            outcome, task_id = _end_or_requeue(connection, job_id, max_attempts, cancel_grace, queue_seconds)
            if outcome == "ended" and parent is not None:
                parts.wake_parent(connection, parent)
            elif outcome == parts.LOST and parent is not None:
                parts.record_loss(connection, parent, kind)
        if outcome is None:
            continue
        (requeued if outcome == "queued" else ended).append(job_id)
        # a process that lost its lease may hang, and would keep its worker from the next job
        if task_id is not None:
            to_kill.append(task_id)
    return ReapReport(tuple(requeued), tuple(ended), tuple(to_kill))


def list_undispatched(db: Database, older_than: float, limit: int) -> list[tuple[str, str, int]]:
    """Queued jobs that were not announced: (id, queue, timeout in seconds).

    Jobs younger than `older_than` seconds are left out: their gateway is about to announce them.
    """
    return _queued(db, jobs.c.dispatched_at.is_(None) & (jobs.c.created_at < now() - older_than), limit)


def list_waiting(db: Database, seconds: float, queue: str, limit: int) -> list[tuple[str, str, int]]:
    """Queued jobs that were announced some time ago."""
    return _queued(db, (jobs.c.dispatched_at < now() - seconds) & (jobs.c.queue == queue), limit)


def count_announced(db: Database, seconds: float, queue: str) -> int:
    """How many queued jobs were announced some time ago."""
    waiting = (jobs.c.queue == queue, jobs.c.state == "queued", jobs.c.dispatched_at < now() - seconds)
    with db.read() as connection:
        return connection.execute(select(func.count()).where(*waiting)).scalar_one()


def list_busy_queues(db: Database) -> list[str]:
    """Queues that have jobs waiting."""
    with db.read() as connection:
        return list(
            connection.execute(select(jobs.c.queue).where(jobs.c.state == "queued").distinct()).scalars()
        )


def _queued(db: Database, condition: Any, limit: int) -> list[tuple[str, str, int]]:
    with db.read() as connection:
        rows = connection.execute(
            select(jobs.c.id, jobs.c.queue, jobs.c.timeout_seconds)
            .where(jobs.c.state == "queued", condition)
            .order_by(jobs.c.id)
            .limit(limit)
        )
        return [(row.id, row.queue, row.timeout_seconds) for row in rows]


def _end_or_requeue(
    connection: Connection, job_id: str, max_attempts: int, cancel_grace: float, queue_seconds: float
) -> tuple[str | None, str | None]:
    """The outcome for a job, None when nothing changed, and the message whose process held it."""
    row = connection.execute(
        select(
            jobs.c.state,
            jobs.c.parent,
            jobs.c.attempt,
            jobs.c.task_id,
            jobs.c.handed_back,
            jobs.c.cancel_requested_at,
            (jobs.c.lease_until < now()).label("lost"),
            PARKED.label("parked"),
            (jobs.c.deadline_at < now()).label("late"),
            (jobs.c.cancel_requested_at < now() - cancel_grace).label("deaf"),
            (NEVER_RAN & (jobs.c.created_at < now() - queue_seconds)).label("old"),
        )
        .where(jobs.c.id == job_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None, None
    if row.state == "queued" and row.old:
        return _end(connection, job_id, row, "expired", None), None
    if row.state != "running":
        return None, None
    return _end_or_requeue_running(connection, job_id, row, max_attempts), row.task_id


def _end_or_requeue_running(connection: Connection, job_id: str, row: Any, max_attempts: int) -> str | None:
    if row.deaf or (row.lost and row.cancel_requested_at is not None):
        return _end(connection, job_id, row, "cancelled", None)
    if not (row.lost or (row.parked and row.late)):
        return None
    if row.late:
        problem = Problem.from_code("timed_out", 504, "the job ran longer than its timeout_seconds")
        return _end(connection, job_id, row, "failed", problem)
    if row.attempt - row.handed_back >= max_attempts:
        problem = Problem.from_code("attempts_exhausted", 500, f"{EXHAUSTED} ({row.attempt} attempts)")
        state = "failed" if row.parent is None else parts.LOST
        ended = _end(connection, job_id, row, state, problem)
        return ended and (ended if row.parent is None else parts.LOST)
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.attempt == row.attempt, jobs.c.state == "running")
        .values(state="queued", worker=None, lease_until=None, deadline_at=None, dispatched_at=None)
    )
    record_event(connection, job_id, "state", {"state": "queued", "reason": "worker_lost"})
    return "queued"


def _end(connection: Connection, job_id: str, row: Any, state: str, problem: Problem | None) -> str | None:
    values: dict[str, Any] = {"state": state, "finished_at": now(), "lease_until": None, "checkpoint": None}
    if problem is not None:
        values["problem"] = json.dumps(problem.model_dump(exclude_none=True))
    result = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.attempt == row.attempt, jobs.c.state == row.state)
        .values(**values)
    )
    if not result.rowcount:
        return None
    record_event(connection, job_id, "state", {"state": state})
    drop_parts(connection, job_id)
    return "ended"
