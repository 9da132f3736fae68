"""The parts of a job that many workers share: rows of the jobs table that clients never see.

A job with parts holds no worker while they run: it is parked, and the last part to end wakes it. Code that
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
from storage.ledger.jobs import COLUMNS, PARKED, new_id, record_event
from storage.ledger.records import Funnel, JobRow, Part, PartRow, WorkerSeconds
from storage.ledger.tables import jobs, workers
from storage.ledger.time_source import TimeSource

# parts queued or running per worker: enough to keep it busy, few enough that other jobs do not wait long
PARTS_PER_WORKER = 2
SEEN_SECONDS = 30.0
CHUNK = 500
OPEN = frozenset({"waiting", "queued", "running"})
# a part whose every attempt lost its worker; its job handles that when the other parts are done
LOST = "lost"
# events of a job that have its funnel, at most: a page shows no more of them as it fills
MOST_FUNNELS = 200


def add(connection: Connection, job: JobRow, parts: Sequence[Part], time: TimeSource) -> None:
    """Store new parts of a job, or of the job that `job` is a part of; that one is locked."""
    make: Any = sqlite_insert if connection.dialect.name == "sqlite" else postgres_insert
    rows: Iterator[dict[str, Any]] = (
        {
            "id": new_id(time),
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
            "parent": job.parent or job.id,
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


def begin(connection: Connection, job_id: str, kind: str, funnel: Funnel = ()) -> None:
    """Report how many parts of a kind a job was parked on, and what is known before; queue the first."""
    counts = connection.execute(
        select(jobs.c.state, func.count())
        .where(jobs.c.parent == job_id, jobs.c.kind == kind)
        .group_by(jobs.c.state)
    )
    states = {row[0]: row[1] for row in counts}
    over = states.get("succeeded", 0) + states.get(LOST, 0)
    _report_progress(connection, job_id, _stage(kind), over, sum(states.values()), list(funnel))
    _advance(connection, job_id, failed=bool(states.keys() - OPEN - {"succeeded", LOST}))


def record_end(
    connection: Connection, part: JobRow, state: str, used: WorkerSeconds | None, funnel: Funnel = ()
) -> None:
    """Record that a part has ended, and add its funnel to that of its job, which is locked already."""
    job_id = str(part.parent)
    if used is not None:
        row = connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id)
            .values(
                spent_seconds=func.coalesce(jobs.c.spent_seconds, 0.0) + used.seconds,
                spent_gpu_seconds=func.coalesce(jobs.c.spent_gpu_seconds, 0.0) + used.gpu_seconds,
            )
            .returning(jobs.c.progress)
        ).one_or_none()
        _count_part(connection, job_id, part.kind, row.progress if row is not None else None, funnel)
    _advance(connection, job_id, failed=state != "succeeded")


def wake_parent(connection: Connection, job_id: str) -> None:
    """Wake a locked job because one of its parts can never be done."""
    _advance(connection, job_id, failed=True)


def record_loss(connection: Connection, job_id: str, kind: str) -> None:
    """Record that a part of a locked job lost its worker at every attempt; the other parts continue."""
    progress = connection.execute(select(jobs.c.progress).where(jobs.c.id == job_id)).scalar()
    _count_part(connection, job_id, kind, progress)
    _advance(connection, job_id, failed=False)


def list_outcomes(db: Database, job_id: str, kind: str) -> dict[str, PartRow]:
    """The parts of a job that have ended, by their keys."""
    over = (jobs.c.parent == job_id, jobs.c.kind == kind, jobs.c.state.not_in(OPEN))
    columns = (jobs.c.part, jobs.c.state, jobs.c.manifest_sha256, jobs.c.problem)
    with db.read() as connection:
        rows = connection.execute(select(*columns).where(*over)).all()
    return {
        key: PartRow(key, state, output, json.loads(problem) if problem else None)
        for key, state, output, problem in rows
    }


def worker_seconds(db: Database, job_id: str) -> WorkerSeconds:
    """The worker seconds that the finished parts of a job used."""
    sums = (jobs.c.spent_seconds, jobs.c.spent_gpu_seconds)
    with db.read() as connection:
        row = connection.execute(select(*sums).where(jobs.c.id == job_id)).one_or_none()
    return WorkerSeconds(*(value or 0.0 for value in row)) if row else WorkerSeconds()


def find_parent(db: Database, part: JobRow) -> JobRow | None:
    """The job that a part belongs to; None when it has ended."""
    with db.read() as connection:
        row = connection.execute(
            select(*COLUMNS).where(jobs.c.id == part.parent, jobs.c.state.in_(OPEN))
        ).one_or_none()
    return JobRow.from_row(row) if row else None


def list_unannounced(db: Database, job_id: str) -> list[tuple[str, str, int]]:
    """Queued parts of a job, and the job itself, that were not announced: (id, queue, timeout in seconds)."""
    unannounced = []
    with db.read() as connection:
        for mine in (jobs.c.id == job_id, jobs.c.parent == job_id):
            rows = connection.execute(
                select(jobs.c.id, jobs.c.queue, jobs.c.timeout_seconds)
                .where(mine, jobs.c.state == "queued", jobs.c.dispatched_at.is_(None))
                .order_by(jobs.c.id)
            )
            unannounced += [(row.id, row.queue, row.timeout_seconds) for row in rows]
    return unannounced


def _advance(connection: Connection, job_id: str, *, failed: bool) -> None:
    """Queue the next parts of a locked job, or the parked job itself when none is left or one failed."""
    rows = connection.execute(
        select(jobs.c.queue, func.count())
        .where(jobs.c.parent == job_id, jobs.c.state.in_(("queued", "running")))
        .group_by(jobs.c.queue)
    )
    active = {row[0]: row[1] for row in rows}
    waiting = _list_waiting_queues(connection, job_id)
    if failed or not (active or waiting):
        connection.execute(
            update(jobs).where(jobs.c.id == job_id, PARKED).values(state="queued", dispatched_at=None)
        )
        return
    for queue in waiting:
        alive = (workers.c.queue == queue) & (workers.c.seen_at > now() - SEEN_SECONDS)
        serving = connection.execute(select(func.count()).where(alive)).scalar_one()
        room = PARTS_PER_WORKER * max(1, serving) - active.get(queue, 0)
        if room > 0:
            next_ones = (
                select(jobs.c.id)
                .where(jobs.c.parent == job_id, jobs.c.state == "waiting", jobs.c.queue == queue)
                .order_by(jobs.c.id)
                .limit(room)
            )
            connection.execute(update(jobs).where(jobs.c.id.in_(next_ones)).values(state="queued"))


def _list_waiting_queues(connection: Connection, job_id: str) -> list[str]:
    """Queues with waiting parts, by one index lookup per queue, however many parts wait."""
    queues: list[str] = []
    while True:
        queue = connection.execute(
            select(func.min(jobs.c.queue)).where(
                jobs.c.parent == job_id, jobs.c.state == "waiting", jobs.c.queue > (queues or [""])[-1]
            )
        ).scalar()
        if queue is None:
            return queues
        queues.append(queue)


def _count_part(
    connection: Connection, job_id: str, kind: str, progress: str | None, funnel: Funnel = ()
) -> None:
    known = json.loads(progress) if progress else {}
    # a part that continues another one ends while the job still waits for parts of another kind
    is_counted = known.get("stage") == _stage(kind)
    if not known or not (is_counted or funnel):
        return
    done, total = known["done"] + is_counted, known["total"]
    _report_progress(
        connection, job_id, known["stage"], done, total, _add_funnels(known.get("funnel") or [], funnel)
    )


def _report_progress(
    connection: Connection, job_id: str, stage: str, done: int, total: int | None, funnel: Funnel
) -> None:
    data: dict[str, Any] = {"stage": stage, "done": done, "total": total, "message": "parts"}
    row = {**data, "funnel": funnel} if funnel else data
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(progress=json.dumps(row)))
    record_event(connection, job_id, "progress", row if _is_reported(done, total) else data)


def _is_reported(done: int, total: int | None) -> bool:
    """Whether an event has the funnel: few enough do that a history does not grow with it."""
    return not total or done * MOST_FUNNELS // total != (done - 1) * MOST_FUNNELS // total


def _add_funnels(known: Funnel, added: Funnel) -> Funnel:
    """The sums of two funnels, stage by stage; new stages come last."""
    sums = {(step["stage"], step["unit"]): dict(step) for step in known}
    for step in added:
        before = sums.get((step["stage"], step["unit"]), {"given": 0, "kept": 0})
        counts = {name: before[name] + step[name] for name in ("given", "kept")}
        sums[step["stage"], step["unit"]] = {**step, **counts}
    return list(sums.values())


def _stage(kind: str) -> str:
    return kind.rpartition(".")[2]
