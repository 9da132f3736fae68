"""Jobs from the gateway's side: submit, read, list and cancel."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.ledger import inputs, usage
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.records import STORED, JobRow, Submission
from storage.ledger.tables import events, jobs
from storage.ledger.time_source import TimeSource

COLUMNS = [jobs.c[name] for name in STORED]
# built once: building a statement costs more than running it
INSERT_JOB = (
    insert(jobs)
    .values(
        id=bindparam("id"),
        state="queued",
        attempt=0,
        handed_back=0,
        created_at=now(),
        **{name: bindparam(name) for name in Submission.__slots__},
    )
    .returning(jobs.c.created_at)
)
NOTIFY = select(func.pg_notify("maquette_events", bindparam("job")))
INSERT_EVENT = (
    insert(events)
    .values(job_id=bindparam("of_job"), type=bindparam("kind"), data=bindparam("content"), at=now())
    .inline()
)
SELECT_JOB = select(*COLUMNS).where(
    jobs.c.id == bindparam("job"),
    jobs.c.tenant == bindparam("of_tenant"),
    jobs.c.parent.is_(None),
    jobs.c.deleted_at.is_(None),
)
ACTIVE = ("queued", "running")
# a running job without a lease waits for its parts and holds no worker
PARKED = (jobs.c.state == "running") & jobs.c.lease_until.is_(None)


class IdempotencyConflict(Exception):
    """The idempotency key already names a job with another request."""


def new_id(time: TimeSource) -> str:
    """A job id that sorts by the time of its creation, to the nanosecond."""
    return f"job_{time.now_ns():016x}{time.token(6)}"


def record_event(connection: Connection, job_id: str, kind: str, data: dict[str, Any]) -> None:
    """Append an event to a job's history."""
    connection.execute(INSERT_EVENT, {"of_job": job_id, "kind": kind, "content": json.dumps(data)})
    if connection.dialect.name == "postgresql":
        # delivered when the transaction commits
        connection.execute(NOTIFY, {"job": job_id})


def drop_parts(connection: Connection, job_id: str) -> None:
    """Delete the parts of a job that has ended; a worker that still runs one has lost its lease."""
    connection.execute(delete(jobs).where(jobs.c.parent == job_id))


def submit(
    db: Database,
    submission: Submission,
    *,
    frees_key: bool = False,
    media: Iterable[str] = (),
    max_queued: float = 0,
) -> tuple[JobRow, bool]:
    """Store a job durably; returns it and whether it is new.

    Raises IdempotencyConflict, InputGone, and LimitReached where the tenant would have more than `max_queued`
    queued jobs.

    With `frees_key`, an idempotency key is free again once its job has ended or was asked to stop. The job
    keeps `media`, hashes of uploads and artefacts, from being deleted.
    """
    job_id = new_id(db.time)
    values = {name: getattr(submission, name) for name in Submission.__slots__}
    try:
        with db.write() as connection:
            usage.lock_tenant(connection, submission.tenant)
            if frees_key:
                _free_key(connection, submission)
            created_at = connection.execute(INSERT_JOB, {"id": job_id, **values}).scalar_one()
            record_event(connection, job_id, "state", {"state": "queued"})
            if submission.from_job is not None:
                inputs.hold_job(connection, submission.tenant, submission.from_job)
            inputs.hold(connection, submission.tenant, job_id, media)
            usage.check_queued(connection, submission.tenant, max_queued)
    except IntegrityError:
        existing = _by_idempotency_key(db, submission)
        if existing is None:
            raise
        if existing[1] != submission.request_hash:
            raise IdempotencyConflict(existing[0]) from None
        existing_job = get(db, submission.tenant, existing[0])
        assert existing_job is not None
        return existing_job, False
    return JobRow.from_submission(submission, job_id, created_at), True


def _free_key(connection: Connection, submission: Submission) -> None:
    connection.execute(
        update(jobs)
        .where(
            jobs.c.tenant == submission.tenant,
            jobs.c.idempotency_key == submission.idempotency_key,
            jobs.c.state.not_in(ACTIVE) | jobs.c.cancel_requested_at.is_not(None),
        )
        .values(idempotency_key=None)
    )


def _by_idempotency_key(db: Database, submission: Submission) -> tuple[str, str] | None:
    if submission.idempotency_key is None:
        return None
    with db.read() as connection:
        row = connection.execute(
            select(jobs.c.id, jobs.c.request_hash).where(
                jobs.c.tenant == submission.tenant, jobs.c.idempotency_key == submission.idempotency_key
            )
        ).one_or_none()
    return (row.id, row.request_hash) if row else None


def get(db: Database, tenant: str, job_id: str) -> JobRow | None:
    """One job of a tenant."""
    with db.read() as connection:
        row = connection.execute(SELECT_JOB, {"job": job_id, "of_tenant": tenant}).one_or_none()
    return JobRow.from_row(row) if row else None


def list_page(
    db: Database,
    tenant: str,
    *,
    kind: str | None,
    state: str | None,
    before: str | None,
    limit: int,
    prefix: str = "",
) -> list[JobRow]:
    """Jobs of a tenant, newest first, older than the id `before`; their ids start with `prefix`."""
    mine = (jobs.c.tenant == tenant, jobs.c.parent.is_(None), jobs.c.deleted_at.is_(None))
    query = select(*COLUMNS).where(*mine).order_by(jobs.c.id.desc()).limit(limit)
    if kind:
        query = query.where(jobs.c.kind == kind)
    if state:
        query = query.where(jobs.c.state == state)
    if before:
        query = query.where(jobs.c.id < before)
    if prefix:
        # ids are hexadecimal: nothing that follows the prefix sorts behind "g"
        query = query.where(jobs.c.id >= prefix, jobs.c.id < prefix + "g")
    with db.read() as connection:
        return [JobRow.from_row(row) for row in connection.execute(query)]


def list_events(db: Database, job_id: str, after: int) -> list[dict[str, Any]]:
    """Events of a job after a sequence number, oldest first."""
    with db.read() as connection:
        rows = connection.execute(
            select(events.c.seq, events.c.type, events.c.data, events.c.at)
            .where(events.c.job_id == job_id, events.c.seq > after)
            .order_by(events.c.seq)
            .limit(1000)
        )
        return [{"seq": r.seq, "type": r.type, "data": json.loads(r.data), "at": r.at} for r in rows]


def cancel(db: Database, tenant: str, job_id: str) -> bool:
    """Cancel a job that no worker holds, or ask a running one to stop; False when there is none."""
    with db.write() as connection:
        mine = (
            jobs.c.id == job_id,
            jobs.c.tenant == tenant,
            jobs.c.parent.is_(None),
            jobs.c.deleted_at.is_(None),
        )
        queued = connection.execute(
            update(jobs)
            .where(*mine, (jobs.c.state == "queued") | PARKED)
            .values(state="cancelled", finished_at=now(), cancel_requested_at=now(), checkpoint=None)
        )
        if queued.rowcount:
            drop_parts(connection, job_id)
            record_event(connection, job_id, "state", {"state": "cancelled"})
            return True
        connection.execute(
            update(jobs)
            .where(*mine, jobs.c.state == "running", jobs.c.cancel_requested_at.is_(None))
            .values(cancel_requested_at=now())
        )
        return connection.execute(select(jobs.c.id).where(*mine)).first() is not None


def mark_dispatched(db: Database, job_ids: Sequence[str]) -> None:
    """Record that these jobs were announced to the queue."""
    with db.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id.in_(job_ids)).values(dispatched_at=now()))


def count_by_state(db: Database) -> dict[tuple[str, str], int]:
    """How many jobs and parts are in each (queue, state), without jobs that wait for their parts."""
    with db.read() as connection:
        rows = connection.execute(
            select(jobs.c.queue, jobs.c.state, func.count())
            .where(~PARKED, jobs.c.deleted_at.is_(None))
            .group_by(jobs.c.queue, jobs.c.state)
        )
        return {(row[0], row[1]): row[2] for row in rows}
