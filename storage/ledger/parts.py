"""Parts of a job that many workers share: rows of their own, claimed like jobs and never shown as jobs.

A job with parts holds no worker while they run: it is parked, and the last part to end wakes it. Whoever
changes both rows locks the parent first.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.jobs import COLUMNS, new_id, record
from storage.ledger.records import JobRow, Part, PartRow, Spent
from storage.ledger.tables import jobs, workers

# parts that may be queued or running for each worker: enough to keep it busy, and others wait for few
FOR_EACH_WORKER = 2
SEEN_SECONDS = 30.0
CHUNK = 500
OPEN = frozenset({"waiting", "queued", "running"})


def add(connection: Connection, job: JobRow, parts: Sequence[Part]) -> None:
    """Store the parts of a job that are not stored yet; its own row is locked already."""
    make: Any = sqlite_insert if connection.dialect.name == "sqlite" else postgres_insert
    rows: Iterator[dict[str, Any]] = (
        {
            "id": new_id(),
            "tenant": job.tenant,
            "kind": part.kind,
            "state": "waiting",
            "engine": job.engine,
            "queue": part.queue,
            "request": part.request,
            "request_hash": "",
            "timeout_seconds": job.timeout_seconds,
            "attempt": 0,
            "handed_back": 0,
            "parent": job.id,
            "part": part.key,
        }
        for part in parts
    )
    statement = make(jobs).values(created_at=now()).on_conflict_do_nothing()
    while chunk := list(islice(rows, CHUNK)):
        connection.execute(statement, chunk)


def lock(connection: Connection, job_id: str) -> None:
    """Keep others from changing a job and its parts until the transaction is over."""
    connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())


def advance(connection: Connection, job_id: str, kind: str | None = None) -> None:
    """Queue the next parts of a parked and locked job, or the job itself when none is left or one failed.

    `kind` is that of a part that has just ended: the job tells how many of them are done.
    """
    counts = connection.execute(
        select(jobs.c.kind, jobs.c.state, func.count())
        .where(jobs.c.parent == job_id)
        .group_by(jobs.c.kind, jobs.c.state)
    ).all()
    if kind is not None:
        _tell(connection, job_id, kind, {state: count for name, state, count in counts if name == kind})
    left = dict.fromkeys(OPEN, 0)
    failed = False
    for _, state, count in counts:
        if state in OPEN:
            left[state] += count
        failed |= state not in OPEN and state != "succeeded"
    if failed or not any(left.values()):
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state == "running", jobs.c.lease_until.is_(None))
            .values(state="queued", dispatched_at=None)
        )
        return
    if left["waiting"]:
        _release(connection, job_id, left["queued"] + left["running"])


def outcomes(db: Database, job_id: str, kind: str) -> dict[str, PartRow]:
    """The parts of a job that are over, by their keys."""
    ended = (jobs.c.parent == job_id, jobs.c.kind == kind, jobs.c.state.not_in(OPEN))
    with db.read() as connection:
        found = [JobRow.of(row) for row in connection.execute(select(*COLUMNS).where(*ended))]
    rows = (PartRow(str(row.part), row.state, row.manifest_sha256, row.problem) for row in found)
    return {row.key: row for row in rows}


def spent(db: Database, job_id: str) -> Spent:
    """What the parts of a job that are done took."""
    sums = (func.sum(jobs.c.spent_seconds), func.sum(jobs.c.spent_gpu_seconds))
    with db.read() as connection:
        seconds, gpu_seconds = connection.execute(select(*sums).where(jobs.c.parent == job_id)).one()
    return Spent(seconds or 0.0, gpu_seconds or 0.0)


def parent(db: Database, part: JobRow) -> JobRow | None:
    """The job that a part is of; None when it is over."""
    with db.read() as connection:
        row = connection.execute(
            select(*COLUMNS).where(jobs.c.id == part.parent, jobs.c.state.in_(OPEN))
        ).one_or_none()
    return JobRow.of(row) if row else None


def unannounced(db: Database, job_id: str) -> list[tuple[str, str, int]]:
    """Of a job and its parts those that are queued and the queue has not heard of."""
    with db.read() as connection:
        rows = connection.execute(
            select(jobs.c.id, jobs.c.queue, jobs.c.timeout_seconds)
            .where(
                (jobs.c.id == job_id) | (jobs.c.parent == job_id),
                jobs.c.state == "queued",
                jobs.c.dispatched_at.is_(None),
            )
            .order_by(jobs.c.id)
        )
        return [(row.id, row.queue, row.timeout_seconds) for row in rows]


def _release(connection: Connection, job_id: str, under_way: int) -> None:
    queue, serving = connection.execute(
        select(jobs.c.queue, func.count(workers.c.id))
        .outerjoin(workers, (workers.c.queue == jobs.c.queue) & (workers.c.seen_at > now() - SEEN_SECONDS))
        .where(jobs.c.parent == job_id, jobs.c.state == "waiting")
        .group_by(jobs.c.queue, jobs.c.id)
        .order_by(jobs.c.id)
        .limit(1)
    ).one()
    room = FOR_EACH_WORKER * max(1, serving) - under_way
    if room <= 0:
        return
    next_ones = (
        select(jobs.c.id)
        .where(jobs.c.parent == job_id, jobs.c.state == "waiting", jobs.c.queue == queue)
        .order_by(jobs.c.id)
        .limit(room)
    )
    connection.execute(update(jobs).where(jobs.c.id.in_(next_ones)).values(state="queued"))


def _tell(connection: Connection, job_id: str, kind: str, counts: dict[str, int]) -> None:
    """Progress of a parked job: how many parts of a kind are done."""
    done, total = counts.get("succeeded", 0), sum(counts.values())
    stage = kind.rpartition(".")[2]
    told = {"stage": stage, "done": done, "total": total, "message": f"{stage}: {done} of {total} parts"}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(progress=json.dumps(told)))
    record(connection, job_id, "progress", told)
