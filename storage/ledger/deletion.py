"""Deleting what a tenant has: jobs, uploads, artefacts. The collector removes the files."""

from typing import Any

from sqlalchemy import Connection, delete, select, update

from storage.ledger import audit, blobs, stage_results, usage
from storage.ledger.audit import SERVICE, Actor
from storage.ledger.clock import OPEN_STATES, now
from storage.ledger.database import Database
from storage.ledger.tables import artefacts, blob_refs, events, jobs, media

# what is left of a deleted job: its id, kind, state, times, attempts and worker seconds
ERASED: dict[str, Any] = {
    **dict.fromkeys(
        ("idempotency_key", "progress", "checkpoint", "problem", "manifest_sha256", "subject", "from_job")
    ),
    "request": "{}",
    "request_hash": "",
}
# batches of references and events that a request deletes itself; the collector does the rest
INLINE_BATCHES = 20


class StillNeeded(Exception):
    """Something that runs needs it: nothing was deleted. The message says what, and what to do."""


def delete_job(db: Database, tenant: str, job_id: str, actor: Actor = SERVICE) -> bool:
    """Delete a job that has ended, with its events and references; False when there is none.

    Raises StillNeeded while it, or a job that continues it, has not ended. Deleting it again changes nothing.
    """
    with db.write() as connection:
        mine = (jobs.c.id == job_id, jobs.c.tenant == tenant, jobs.c.parent.is_(None))
        row = connection.execute(
            select(jobs.c.state, jobs.c.deleted_at).where(*mine).with_for_update()
        ).one_or_none()
        if row is None:
            return False
        if row.deleted_at is None:
            _check_job(connection, job_id, row.state)
            connection.execute(update(jobs).where(*mine).values(deleted_at=now(), released_at=None, **ERASED))
            audit.record(connection, actor, "job.delete", tenant=tenant, subject=job_id)
    for _ in range(INLINE_BATCHES):
        if erase_batch(db, tenant, job_id):
            break
    return True


def erase_batch(db: Database, tenant: str, job_id: str) -> bool:
    """Delete some events and references of a deleted job; True once none is left."""
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        numbers = select(events.c.seq).where(events.c.job_id == job_id).limit(blobs.BATCH)
        gone = connection.execute(delete(events).where(events.c.seq.in_(numbers))).rowcount
        for role in (blobs.INPUT, blobs.SCRATCH, blobs.RESULT):
            hashes = blobs.list_refs(connection, tenant, job_id, role)
            if hashes:
                # one per transaction: files are locked in one order, or two could wait for each other
                blobs.drop(connection, tenant, job_id, role, hashes)
                return False
        if gone:
            return False
        stage_results.forget(connection, job_id)
        erased = (jobs.c.id == job_id, jobs.c.deleted_at.is_not(None))
        connection.execute(update(jobs).where(*erased).values(released_at=now(), events_deleted_at=now()))
        return True


def delete_upload(db: Database, tenant: str, sha256: str, actor: Actor = SERVICE) -> bool:
    """Delete an upload; False when there is none. Raises StillNeeded while a job or a session needs it."""
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        mine = (media.c.tenant == tenant, media.c.sha256 == sha256)
        if connection.execute(select(media.c.sha256).where(*mine).with_for_update()).first() is None:
            return False
        _check_file(connection, tenant, sha256)
        connection.execute(delete(media).where(*mine))
        blobs.drop(connection, tenant, blobs.UPLOADS, blobs.UPLOAD, [sha256])
        audit.record(connection, actor, "upload.delete", tenant=tenant, subject=sha256)
    return True


def delete_upload_and_jobs(db: Database, tenant: str, sha256: str, actor: Actor = SERVICE) -> bool:
    """Delete an upload, the jobs whose requests name it, and those that continue them; False without it.

    Raises StillNeeded while one of them has not ended; nothing was deleted then. What dies on the way can be
    done again: the upload goes last.
    """
    with db.read() as connection:
        mine = (jobs.c.tenant == tenant, jobs.c.parent.is_(None), jobs.c.deleted_at.is_(None))
        known = select(media.c.sha256).where(media.c.tenant == tenant, media.c.sha256 == sha256)
        if connection.execute(known).first() is None:
            return False
        found: dict[str, str] = {}
        newest = [jobs.c.request.contains(sha256)]
        while newest:
            query = select(jobs.c.id, jobs.c.state).where(*mine, *newest)
            added = {row.id: row.state for row in connection.execute(query) if row.id not in found}
            found |= added
            newest = [jobs.c.from_job.in_(list(added))] if added else []
        # a session and what it shows are looked at before anything is deleted
        _check_file(connection, tenant, sha256)
    for job_id, state in found.items():
        _require_ended(job_id, state)
    # those that continue others were found after them
    for job_id in reversed(found):
        delete_job(db, tenant, job_id, actor)
    return delete_upload(db, tenant, sha256, actor)


def delete_artefact(db: Database, tenant: str, sha256: str, actor: Actor = SERVICE) -> bool:
    """Delete an artefact of jobs that are kept; False when there is none.

    Raises StillNeeded while a job needs it or makes it.
    """
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        mine = (artefacts.c.tenant == tenant, artefacts.c.sha256 == sha256)
        if connection.execute(select(artefacts.c.sha256).where(*mine).with_for_update()).first() is None:
            return False
        _check_file(connection, tenant, sha256)
        kept = update(artefacts).where(*mine, artefacts.c.deleted_at.is_(None)).values(deleted_at=now())
        if connection.execute(kept).rowcount:
            audit.record(connection, actor, "artefact.delete", tenant=tenant, subject=sha256)
        blobs.drop_where(connection, tenant, [sha256], blob_refs.c.role == blobs.RESULT)
    return True


def _check_job(connection: Connection, job_id: str, state: str) -> None:
    _require_ended(job_id, state)
    working = select(jobs.c.id).where(jobs.c.from_job == job_id, jobs.c.state.in_(OPEN_STATES))
    other = connection.execute(working.limit(1)).scalar()
    if other is not None:
        raise StillNeeded(f"job {other} continues {job_id}: cancel it, or wait until it has ended")


def _require_ended(job_id: str, state: str) -> None:
    if state in OPEN_STATES:
        raise StillNeeded(f"job {job_id} is {state}: cancel it, or wait until it has ended")


def _check_file(connection: Connection, tenant: str, sha256: str) -> None:
    user = blobs.find_open_user(connection, tenant, sha256)
    if user is not None:
        what = f"session {user}: close it" if user.startswith("ses_") else f"job {user}: cancel it"
        raise StillNeeded(f"{sha256} is needed by {what}, or wait until it has ended")
