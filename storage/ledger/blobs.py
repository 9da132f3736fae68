"""Which files are stored, and who needs them (docs/adr/0013).

A file may be removed once nothing refers to it and it was marked (`condemned_at`) for the grace time. Writers
call `claim` or `reserve` before they store bytes, and so wait for a remover that has locked the row.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.ledger import usage
from storage.ledger.clock import OPEN_STATES, now
from storage.ledger.database import Database
from storage.ledger.records import JobRow
from storage.ledger.tables import artefacts, blob_refs, blobs, jobs

UPLOAD, INPUT, RESULT, SCRATCH = "upload", "input", "result", "scratch"
# a part of an upload that has not arrived completely; its owner is the upload
PIECE = "piece"
# the owner of the references of all uploads of a tenant, and of artefacts from before there were references
UPLOADS, LEGACY = "uploads", "legacy"
# rows per transaction: a few milliseconds on SQLite, which has one writer at a time
BATCH = 500

# built once: building a statement costs more than running it
INSERT_REF: dict[str, Any] = {
    "sqlite": sqlite_insert(blob_refs).on_conflict_do_nothing(),
    "postgresql": postgres_insert(blob_refs).on_conflict_do_nothing(),
}
MARKED = (blobs.c.sha256.in_(bindparam("hashes", expanding=True)), blobs.c.condemned_at.is_not(None))
# in one order, or two such transactions could wait for each other
LOCK_MARKED = select(blobs.c.sha256).where(*MARKED).order_by(blobs.c.sha256).with_for_update(key_share=True)
TAKE_MARK = update(blobs).where(*MARKED).values(condemned_at=None)


def reserve(db: Database, sha256: str, size: int) -> None:
    """Protect a file that is about to be stored for the grace time; a reference has to follow by then."""
    with db.write() as connection:
        store_row(connection, sha256, size, condemned=True)


def claim(
    db: Database,
    job: JobRow,
    role: str,
    sha256: str,
    size: int,
    media_type: str | None = None,
    *,
    max_bytes: float = 0,
) -> bool:
    """Refer to a file that a job is about to store; False when the job has ended or was deleted.

    With a media type, the tenant may read it as an artefact. Files of a part belong to its job. Raises
    LimitReached when the tenant would have more than `max_bytes`.
    """
    owner = job.parent or job.id
    with db.write() as connection:
        usage.lock_tenant(connection, job.tenant)
        # the lock keeps the job from being released and deleted before this commits
        held = select(jobs.c.id).where(jobs.c.id == owner, jobs.c.state.in_(OPEN_STATES))
        if connection.execute(held.with_for_update(read=True, key_share=True)).first() is None:
            return False
        # in the order of a deletion, which locks what a tenant reads before the file
        if media_type is not None:
            allow_reading(connection, job.tenant, sha256, media_type, size)
        store_row(connection, sha256, size, condemned=False)
        if refer(connection, job.tenant, owner, role, [sha256]):
            usage.check_bytes(connection, job.tenant, max_bytes)
    return True


def store_row(connection: Connection, sha256: str, size: int, *, condemned: bool) -> None:
    """Write the row of a file that is about to be stored, or stored again."""
    values = {"stored_at": now(), "condemned_at": now() if condemned else None}
    connection.execute(
        upsert(connection, blobs)
        .values(sha256=sha256, bytes=size, **values)
        .on_conflict_do_update(index_elements=[blobs.c.sha256], set_=values)
    )


def refer(connection: Connection, tenant: str, owner: str, role: str, hashes: Iterable[str]) -> bool:
    """Add references to files that have rows, and take the mark from these; the tenant is locked.

    Returns whether the tenant had no reference to some of them.
    """
    is_new = False
    rest = iter(sorted(hashes))
    statement = INSERT_REF[connection.dialect.name]
    while chunk := list(islice(rest, BATCH)):
        rows = [{"owner": owner, "tenant": tenant, "role": role, "sha256": sha256} for sha256 in chunk]
        known = usage.list_referred(connection, tenant, chunk)
        connection.execute(statement, rows)
        added = set(chunk) - known
        is_new |= bool(added)
        usage.count_bytes(connection, tenant, added, 1)
        if len(chunk) > 1:
            connection.execute(LOCK_MARKED, {"hashes": chunk}).all()
        connection.execute(TAKE_MARK, {"hashes": chunk})
    return is_new


def allow_reading(connection: Connection, tenant: str, sha256: str, media_type: str, size: int) -> None:
    """Let a tenant read a file as an artefact; one that was deleted and is made again can be read again."""
    row = {"media_type": media_type, "bytes": size, "created_at": now(), "deleted_at": None}
    connection.execute(
        upsert(connection, artefacts)
        .values(tenant=tenant, sha256=sha256, **row)
        .on_conflict_do_update(
            index_elements=[artefacts.c.tenant, artefacts.c.sha256],
            set_={"deleted_at": None},
            where=artefacts.c.deleted_at.is_not(None),
        )
    )


def drop(connection: Connection, tenant: str, owner: str, role: str, hashes: Sequence[str]) -> None:
    """Drop references of a locked tenant; artefacts that no job has made any more cannot be read."""
    drop_where(connection, tenant, hashes, blob_refs.c.owner == owner, blob_refs.c.role == role)
    if role == RESULT:
        end_reading(connection, tenant, hashes)


def drop_where(
    connection: Connection, tenant: str, hashes: Sequence[str], *conditions: ColumnElement[bool]
) -> None:
    """Drop the references of a locked tenant to some files that meet conditions, and mark the files."""
    known = usage.list_referred(connection, tenant, hashes)
    mine = (blob_refs.c.tenant == tenant, blob_refs.c.sha256.in_(hashes))
    connection.execute(delete(blob_refs).where(*mine, *conditions))
    usage.count_bytes(connection, tenant, known - usage.list_referred(connection, tenant, hashes), -1)
    condemn(connection, hashes)


def condemn(connection: Connection, hashes: Sequence[str]) -> None:
    """Mark files; whether something else needs them is looked at before they are removed."""
    ordered = select(blobs.c.sha256).where(blobs.c.sha256.in_(hashes)).order_by(blobs.c.sha256)
    # in one order, or two such transactions could wait for each other
    connection.execute(ordered.with_for_update(key_share=True)).all()
    connection.execute(update(blobs).where(blobs.c.sha256.in_(hashes)).values(condemned_at=now()))


def end_reading(connection: Connection, tenant: str, hashes: Sequence[str]) -> None:
    """Delete the rows of artefacts that no job of the tenant has as a result."""
    still = (
        blob_refs.c.tenant == tenant,
        blob_refs.c.sha256 == artefacts.c.sha256,
        blob_refs.c.role == RESULT,
    )
    mine = (artefacts.c.tenant == tenant, artefacts.c.sha256.in_(hashes), artefacts.c.deleted_at.is_(None))
    connection.execute(delete(artefacts).where(*mine, ~exists().where(*still)))


def list_refs(
    connection: Connection, tenant: str, owner: str, role: str, after: str = "", limit: int = BATCH
) -> list[str]:
    """Hashes that an owner refers to, in their order, after one of them."""
    mine = (blob_refs.c.owner == owner, blob_refs.c.tenant == tenant, blob_refs.c.role == role)
    query = select(blob_refs.c.sha256).where(*mine, blob_refs.c.sha256 > after)
    return list(connection.execute(query.order_by(blob_refs.c.sha256).limit(limit)).scalars())


def find_open_user(connection: Connection, tenant: str, sha256: str) -> str | None:
    """An open job or session of a tenant that needs a file; None when none does."""
    needed = (blob_refs.c.tenant == tenant, blob_refs.c.sha256 == sha256)
    working = jobs.c.state.in_(OPEN_STATES)
    owners = (
        # what a job reads or makes
        select(jobs.c.id).join(blob_refs, blob_refs.c.owner == jobs.c.id).where(*needed, working),
        # what a job reads of the one that it continues
        select(jobs.c.id)
        .join(blob_refs, blob_refs.c.owner == jobs.c.from_job)
        .where(*needed, blob_refs.c.role == RESULT, working),
        select(blob_refs.c.owner).where(*needed, blob_refs.c.owner.startswith("ses_")),
    )
    for query in owners:
        owner = connection.execute(query.limit(1)).scalar()
        if owner is not None:
            return str(owner)
    return None


def list_removable(connection: Connection, grace_seconds: float, limit: int) -> tuple[int, list[str]]:
    """Lock files that were marked for the grace time.

    Returns how many, and those of them that nothing needs: they may be removed until the commit. The others
    lose their mark. Rows that another gateway has locked are skipped.
    """
    old = (
        select(blobs.c.sha256)
        .where(blobs.c.condemned_at < now() - grace_seconds)
        .order_by(blobs.c.condemned_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    hashes = list(connection.execute(old).scalars())
    # a statement of its own, for it to see what was committed before the rows were locked
    needed = select(blob_refs.c.sha256).where(blob_refs.c.sha256.in_(hashes)).distinct()
    kept = set(connection.execute(needed).scalars())
    if kept:
        connection.execute(update(blobs).where(blobs.c.sha256.in_(kept)).values(condemned_at=None))
    return len(hashes), [sha256 for sha256 in hashes if sha256 not in kept]


def forget(connection: Connection, hashes: Sequence[str]) -> None:
    """Delete the rows of files that were removed."""
    connection.execute(delete(blobs).where(blobs.c.sha256.in_(hashes)))


def count_condemned(db: Database) -> int:
    """How many files are marked."""
    with db.read() as connection:
        query = select(func.count()).select_from(blobs).where(blobs.c.condemned_at.is_not(None))
        return connection.execute(query).scalar_one()


def upsert(connection: Connection, table: Any) -> Any:
    """An insert that may say what happens on a conflict."""
    return (sqlite_insert if connection.dialect.name == "sqlite" else postgres_insert)(table)
