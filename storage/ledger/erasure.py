"""Deleting everything of a tenant."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, delete, func, select

from storage.ledger import audit, blobs, deletion, resumable, sessions, usage
from storage.ledger import jobs as ledger_jobs
from storage.ledger.audit import SERVICE, Actor
from storage.ledger.clock import OPEN_STATES
from storage.ledger.database import Database
from storage.ledger.tables import artefacts, jobs, media
from storage.ledger.tables import sessions as sessions_table

PAGE = 500
Delete = Callable[[Database, str, str, Actor], bool]


@dataclass(slots=True)
class ErasureReport:
    """What was deleted; `open_jobs` have not ended and are left, with what they need."""

    jobs: int = 0
    uploads: int = 0
    sessions: int = 0
    open_jobs: int = 0
    complete: bool = False


def erase_tenant(
    db: Database,
    tenant: str,
    actor: Actor = SERVICE,
    *,
    cancel: bool = False,
    may_go_on: Callable[[], bool] = lambda: True,
) -> ErasureReport:
    """Delete the sessions, jobs, results and uploads of a tenant, until `may_go_on` is False.

    Raises StillNeeded while jobs have not ended, unless they are to be cancelled: what still runs is left.
    """
    own = (jobs.c.tenant == tenant, jobs.c.parent.is_(None), jobs.c.deleted_at.is_(None))
    working = jobs.c.state.in_(OPEN_STATES)
    if cancel:
        for job_id in _page(db, jobs.c.id, *own, working):
            ledger_jobs.cancel(db, tenant, job_id)
    with db.read() as connection:
        report = ErasureReport(
            open_jobs=connection.execute(select(func.count()).where(*own, working)).scalar_one()
        )
    if report.open_jobs and not cancel:
        raise deletion.StillNeeded(f"{report.open_jobs} jobs have not ended: cancel them, or wait for them")
    with db.write() as connection:
        audit.record(connection, actor, "tenant.erase", tenant=tenant, subject=tenant)
    resumable.drop_all(db, tenant)
    steps: tuple[tuple[str, Delete, Column[Any], tuple[Any, ...]], ...] = (
        ("sessions", sessions.close, sessions_table.c.id, (sessions_table.c.tenant == tenant,)),
        ("jobs", deletion.delete_job, jobs.c.id, (*own, ~working)),
        ("uploads", deletion.delete_upload, media.c.sha256, (media.c.tenant == tenant,)),
    )
    for name, delete_one, column, conditions in steps:
        for item in _page(db, column, *conditions):
            if not may_go_on():
                return report
            try:
                setattr(report, name, getattr(report, name) + delete_one(db, tenant, item, actor))
            except deletion.StillNeeded:
                continue
    if not report.open_jobs:
        _forget_artefacts(db, tenant)
        report.complete = True
    return report


def _page(db: Database, column: Column[Any], *conditions: ColumnElement[bool]) -> Iterator[str]:
    """Values of a column in their order, read page by page."""
    after = ""
    while True:
        with db.read() as connection:
            query = select(column).where(*conditions, column > after).order_by(column).limit(PAGE)
            values = list(connection.execute(query).scalars())
        if not values:
            return
        yield from values
        after = values[-1]


def _forget_artefacts(db: Database, tenant: str) -> None:
    """Drop artefacts that no job has: those from before there were references, and deleted ones."""
    while True:
        with db.write() as connection:
            usage.lock_tenant(connection, tenant)
            hashes = blobs.list_refs(connection, tenant, blobs.LEGACY, blobs.RESULT)
            if not hashes:
                gone = (artefacts.c.tenant == tenant, artefacts.c.deleted_at.is_not(None))
                connection.execute(delete(artefacts).where(*gone))
                return
            blobs.drop(connection, tenant, blobs.LEGACY, blobs.RESULT, hashes)
