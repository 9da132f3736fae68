"""What a tenant's retention lets go, and when a round of collection is due."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, delete, exists, func, select, update

from storage.ledger import blobs, stage_results, usage
from storage.ledger.clock import OPEN_STATES, now
from storage.ledger.database import Database
from storage.ledger.tables import artefacts, blob_refs, collection, events, jobs, ledger_clock, media
from storage.ledger.tables import blobs as rows

DAY = 86_400.0
# since when references are recorded
SINCE = select(collection.c.since).scalar_subquery()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days things are kept; 0 keeps them until they are deleted.

    Uploads count from their last use, the others from the end of their job.
    """

    uploads: float = 30.0
    results: float = 90.0
    events: float = 30.0
    scratch: float = 1.0


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job whose references are due to be dropped; `manifest` names its result."""

    id: str
    tenant: str
    manifest: str | None
    deleted: bool


def take_turn(db: Database, seconds: float) -> bool:
    """Whether a round is due; of several gateways that ask, one gets it, and the next is due in `seconds`."""
    with db.write() as connection:
        due = update(collection).where(collection.c.next_at <= now()).values(next_at=now() + seconds)
        return connection.execute(due).rowcount > 0


def pause_removals(db: Database, seconds: float) -> None:
    """Have no file removed for so long; 0 ends a pause. Removals that are under way are waited for."""
    with db.write() as connection:
        connection.execute(update(collection).values(paused_until=now() + seconds if seconds else 0.0))


def may_remove(connection: Connection) -> bool:
    """Whether files may be removed; a pause begins after the end of this transaction."""
    lock = select((collection.c.paused_until < now()).label("free")).with_for_update(read=True)
    return bool(connection.execute(lock).scalar_one())


def list_tenants(db: Database) -> list[str]:
    """Tenants that have jobs or uploads."""
    found: set[str] = set()
    with db.read() as connection:
        for column in (jobs.c.tenant, media.c.tenant):
            # one index lookup per tenant, however many rows it has
            last = ""
            names = select(func.min(column))
            while (name := connection.execute(names.where(column > last)).scalar()) is not None:
                found.add(name)
                last = name
    return sorted(found)


def list_old_jobs(db: Database, tenant: str, days: float, limit: int, after: str = "") -> list[str]:
    """Jobs that ended more than `days` ago, oldest id first."""
    old = (
        jobs.c.tenant == tenant,
        jobs.c.deleted_at.is_(None),
        jobs.c.parent.is_(None),
        jobs.c.finished_at < _cutoff(days),
        jobs.c.id > after,
    )
    return _list_jobs(db, old, days, limit)


def list_old_histories(db: Database, tenant: str, days: float, limit: int) -> list[str]:
    """Jobs that ended more than `days` ago and still have events."""
    old = (
        jobs.c.tenant == tenant,
        jobs.c.deleted_at.is_(None),
        jobs.c.parent.is_(None),
        jobs.c.finished_at < _cutoff(days),
        jobs.c.events_deleted_at.is_(None),
    )
    return _list_jobs(db, old, days, limit)


def list_old_uploads(db: Database, tenant: str, days: float, limit: int, after: str = "") -> list[str]:
    """Uploads that no job has used for `days`, by their hashes."""
    old = (media.c.tenant == tenant, media.c.used_at < _cutoff(days), media.c.sha256 > after)
    with db.read() as connection:
        if not _is_old_enough(connection, days):
            return []
        query = select(media.c.sha256).where(*old).order_by(media.c.sha256).limit(limit)
        return list(connection.execute(query).scalars())


def delete_events(db: Database, job_id: str) -> bool:
    """Delete some events of a job that has ended; True once none is left."""
    with db.write() as connection:
        numbers = select(events.c.seq).where(events.c.job_id == job_id).limit(blobs.BATCH)
        if connection.execute(delete(events).where(events.c.seq.in_(numbers))).rowcount:
            return False
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(events_deleted_at=now()))
        return True


def list_ended(db: Database, tenant: str, scratch_days: float, limit: int) -> list[EndedJob]:
    """Jobs whose references are to be dropped: deleted ones, and those that ended long enough ago."""
    columns = (jobs.c.id, jobs.c.tenant, jobs.c.manifest_sha256, jobs.c.deleted_at.is_not(None))
    ended = (
        jobs.c.tenant == tenant,
        jobs.c.released_at.is_(None),
        jobs.c.parent.is_(None),
        jobs.c.state.not_in(OPEN_STATES),
    )
    # the artefacts of jobs from before there were references are given to them now
    due: ColumnElement[bool] = jobs.c.deleted_at.is_not(None) | (jobs.c.created_at < SINCE)
    if scratch_days > 0:
        due |= jobs.c.finished_at < _cutoff(scratch_days)
    with db.read() as connection:
        query = select(*columns).where(*ended, due).order_by(jobs.c.finished_at).limit(limit)
        return [EndedJob(*row) for row in connection.execute(query)]


def release_batch(db: Database, job: EndedJob, kept: frozenset[str] | None) -> bool:
    """Drop some references of an ended job; True once only those to `kept`, its result, are left.

    None keeps all results, where the manifest cannot be read.
    """
    with db.write() as connection:
        usage.lock_tenant(connection, job.tenant)
        for role in (blobs.INPUT, blobs.SCRATCH):
            hashes = blobs.list_refs(connection, job.tenant, job.id, role)
            if hashes:
                blobs.drop(connection, job.tenant, job.id, role, hashes)
                return False
        if kept is not None and _drop_surplus(connection, job, kept):
            return False
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(released_at=now()))
        return True


def _drop_surplus(connection: Connection, job: EndedJob, kept: frozenset[str]) -> bool:
    """Drop some references to results that neither manifest nor later jobs need; whether there were any."""
    after = ""
    while hashes := blobs.list_refs(connection, job.tenant, job.id, blobs.RESULT, after):
        wanted = kept | stage_results.list_files(connection, job.id, hashes)
        if surplus := [sha256 for sha256 in hashes if sha256 not in wanted]:
            blobs.drop(connection, job.tenant, job.id, blobs.RESULT, surplus)
            return True
        after = hashes[-1]
    return False


def refer_to_results(db: Database, job: EndedJob, hashes: list[str]) -> None:
    """Give a job the artefacts of its manifest that an older release has stored without references."""
    for start in range(0, len(hashes), blobs.BATCH):
        chunk = hashes[start : start + blobs.BATCH]
        readable = (artefacts.c.tenant == job.tenant, artefacts.c.sha256.in_(chunk))
        with db.write() as connection:
            usage.lock_tenant(connection, job.tenant)
            columns = (artefacts.c.sha256, artefacts.c.bytes, rows.c.sha256.label("row"))
            query = select(*columns).outerjoin(rows, rows.c.sha256 == artefacts.c.sha256)
            known = connection.execute(query.where(*readable, artefacts.c.deleted_at.is_(None))).all()
            for item in known:
                if item.row is None:
                    blobs.store_row(connection, item.sha256, item.bytes, condemned=False)
            found = [item.sha256 for item in known]
            blobs.refer(connection, job.tenant, job.id, blobs.RESULT, found)


def drop_legacy(db: Database) -> bool:
    """Drop some references from before they were recorded by job; True when there is nothing to drop.

    A tenant keeps its own until all its jobs of that time have been released.
    """
    unreleased = (
        jobs.c.tenant == blob_refs.c.tenant,
        jobs.c.released_at.is_(None),
        jobs.c.parent.is_(None),
        jobs.c.created_at < SINCE,
    )
    legacy = (blob_refs.c.owner == blobs.LEGACY, ~exists().where(*unreleased))
    with db.read() as connection:
        tenant = connection.execute(select(blob_refs.c.tenant).where(*legacy).limit(1)).scalar()
    if tenant is None:
        return True
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        hashes = blobs.list_refs(connection, tenant, blobs.LEGACY, blobs.RESULT)
        blobs.drop(connection, tenant, blobs.LEGACY, blobs.RESULT, hashes)
    return False


def forget_deleted_artefacts(db: Database, days: float) -> None:
    """Delete the rows by which deleted artefacts answer 410, once they are older than results are kept."""
    old = artefacts.c.deleted_at < _cutoff(days)
    with db.read() as connection:
        if not days or connection.execute(select(artefacts.c.sha256).where(old).limit(1)).first() is None:
            return
    with db.write() as connection:
        connection.execute(delete(artefacts).where(old))


def _shift() -> ColumnElement[float]:
    """How far the clock has jumped forwards: a wrong clock must not make things old."""
    shift = select(ledger_clock.c.shift).scalar_subquery()
    return case((shift > 0, shift), else_=0.0)


def _cutoff(days: float) -> ColumnElement[float]:
    return now() - days * DAY - _shift()


def _is_old_enough(connection: Connection, days: float) -> bool:
    """Whether anything can be that old: what was there before references were recorded counts from then."""
    return (
        days > 0
        and connection.execute(select(exists().where(collection.c.since < _cutoff(days)))).scalar_one()
    )


def _list_jobs(
    db: Database, conditions: tuple[ColumnElement[bool], ...], days: float, limit: int
) -> list[str]:
    with db.read() as connection:
        if not _is_old_enough(connection, days):
            return []
        query = select(jobs.c.id).where(*conditions, jobs.c.state.not_in(OPEN_STATES))
        return list(connection.execute(query.order_by(jobs.c.id).limit(limit)).scalars())
