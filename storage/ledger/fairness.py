"""Which queued job a worker takes next: each tenant gets its turn, however many jobs another has queued."""

from typing import Any

from sqlalchemy import Select, func, select

from storage.ledger.database import Database
from storage.ledger.leases import claim
from storage.ledger.records import JobRow
from storage.ledger.tables import jobs, tenants

TRIES = 5


def claim_next(
    db: Database,
    queue: str,
    worker: str,
    lease_seconds: float,
    task_id: str | None = None,
    *,
    max_running: float = 0,
) -> JobRow | None:
    """Take the next job of a queue; None when none waits.

    Of the tenants with queued jobs, the one with the fewest running jobs comes first, then the one whose last
    job started the longest ago; of its jobs the oldest. A tenant that waits is therefore served after at most
    the jobs that run now. Tenants that run as many jobs as they may, by their own limit or `max_running`, are
    passed over; 0 is no limit.
    """
    query = _next_job(queue, max_running)
    for _ in range(TRIES):
        with db.read() as connection:
            job_id = connection.execute(query).scalar()
        if job_id is None:
            return None
        job = claim(db, job_id, worker, lease_seconds, task_id, max_running=max_running)
        if job is not None:
            return job
    return None


def has_other_tenants(db: Database, queue: str, tenant: str) -> bool:
    """Whether another tenant waits in a queue."""
    waiting = (jobs.c.queue == queue, jobs.c.state == "queued", jobs.c.tenant != tenant)
    with db.read() as connection:
        return connection.execute(select(jobs.c.id).where(*waiting).limit(1)).first() is not None


def _next_job(queue: str, max_running: float) -> Select[Any]:
    waiting = (
        select(jobs.c.tenant, func.min(jobs.c.id).label("id"))
        .where(jobs.c.queue == queue, jobs.c.state == "queued")
        .group_by(jobs.c.tenant)
        .subquery("waiting")
    )
    others = jobs.alias("others")
    running = (
        select(func.count())
        .where(
            others.c.tenant == waiting.c.tenant,
            others.c.queue == queue,
            others.c.state == "running",
            others.c.lease_until.is_not(None),
        )
        .scalar_subquery()
    )
    last_start = (
        select(func.max(others.c.started_at)).where(others.c.tenant == waiting.c.tenant).scalar_subquery()
    )
    order = (running, func.coalesce(last_start, 0.0), waiting.c.id)
    limit = func.coalesce(
        select(tenants.c.max_running_jobs).where(tenants.c.name == waiting.c.tenant).scalar_subquery(),
        max_running,
    )
    everywhere = (
        select(func.count())
        .where(
            others.c.tenant == waiting.c.tenant,
            others.c.deleted_at.is_(None),
            others.c.finished_at.is_(None),
            others.c.state == "running",
            others.c.lease_until.is_not(None),
        )
        .scalar_subquery()
    )
    return select(waiting.c.id).where((limit == 0) | (everywhere < limit)).order_by(*order).limit(1)
