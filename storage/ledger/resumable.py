"""Uploads that arrive in pieces, each stored as a file of its own: a cut connection loses none of them.

An upload grows at its end only: of two requests that append at one place, one gets it (OffsetMoved for the
other). Its last piece is never stored: with it the upload becomes a medium, in one transaction.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from storage.ledger import blobs, files, usage
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.tables import resumable_uploads as table
from storage.ledger.tables import upload_pieces as pieces

# unfinished uploads that one tenant may have: more are a client that never finishes any
MOST_OPEN = 1_000
# pieces of one upload: 4 GiB in appends of 512 KiB
MOST_PIECES = 8_192


class OffsetMoved(Exception):
    """Another request has appended to the upload or finished it, or it is gone: nothing was changed."""


class TooManyUploads(Exception):
    """The tenant has MOST_OPEN unfinished uploads."""


class TooManyPieces(Exception):
    """The upload has MOST_PIECES pieces: its client appends too few bytes at a time."""


@dataclass(frozen=True, slots=True)
class ResumableRow:
    """An upload as the ledger stores it: `received` of `bytes` are there; `media_sha256` once it is finished.

    `sha256` is what its client says that the content's hash is.
    """

    id: str
    tenant: str
    bytes: int
    received: int
    sha256: str | None
    media_sha256: str | None
    expires_at: float
    is_expired: bool

    @classmethod
    def from_row(cls, row: Row[Any]) -> "ResumableRow":
        """From a row of the table."""
        values = dict(row._mapping)
        return cls(**{**values, "is_expired": bool(values["is_expired"])})


COLUMNS = (
    *(
        table.c[name]
        for name in ("id", "tenant", "bytes", "received", "sha256", "media_sha256", "expires_at")
    ),
    (table.c.expires_at <= now()).label("is_expired"),
)


def open_upload(
    db: Database, tenant: str, size: int, sha256: str | None, *, seconds: float
) -> tuple[ResumableRow, bool]:
    """Begin an upload that can be resumed for `seconds`, or find the unfinished one of the same content.

    The second value is whether it is new. Raises TooManyUploads.
    """
    mine = (table.c.tenant == tenant, table.c.media_sha256.is_(None), table.c.expires_at > now())
    values = {
        "id": f"upl_{db.time.now_ns() // 1_000_000:012x}{db.time.token(8)}",
        "tenant": tenant,
        "bytes": size,
        "received": 0,
        "sha256": sha256,
        "created_at": now(),
        "expires_at": now() + seconds,
    }
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        if (known := _find_unfinished(connection, tenant, size, sha256)) is not None:
            return known, False
        count = select(func.count()).select_from(table).where(*mine)
        if connection.execute(count).scalar_one() >= MOST_OPEN:
            raise TooManyUploads
        row = connection.execute(insert(table).values(**values).returning(*COLUMNS)).one()
    return ResumableRow.from_row(row), True


def find_unfinished(db: Database, tenant: str, size: int, sha256: str | None) -> ResumableRow | None:
    """The unfinished upload of the same content of which the most has arrived."""
    with db.read() as connection:
        return _find_unfinished(connection, tenant, size, sha256)


def _find_unfinished(
    connection: Connection, tenant: str, size: int, sha256: str | None
) -> ResumableRow | None:
    if sha256 is None:
        return None
    mine = (table.c.tenant == tenant, table.c.media_sha256.is_(None), table.c.expires_at > now())
    same = (*mine, table.c.sha256 == sha256, table.c.bytes == size)
    query = select(*COLUMNS).where(*same).order_by(table.c.received.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else ResumableRow.from_row(row)


def get(db: Database, tenant: str, upload_id: str) -> ResumableRow | None:
    """An upload of a tenant, also an expired one that was not collected yet."""
    with db.read() as connection:
        query = select(*COLUMNS).where(table.c.id == upload_id, table.c.tenant == tenant)
        row = connection.execute(query).one_or_none()
    return None if row is None else ResumableRow.from_row(row)


def add_piece(
    db: Database, known: ResumableRow, sha256: str, size: int, *, seconds: float, max_bytes: float = 0
) -> ResumableRow:
    """Append a stored file, and keep the upload for `seconds` from now; returns it as it is then.

    Raises OffsetMoved, TooManyPieces, and LimitReached when the tenant would have more than `max_bytes`.
    """
    with db.write() as connection:
        usage.lock_tenant(connection, known.tenant)
        row = _move(connection, known, received=known.received + size, expires_at=now() + seconds)
        count = select(func.count()).select_from(pieces).where(pieces.c.upload == known.id)
        if connection.execute(count).scalar_one() >= MOST_PIECES:
            raise TooManyPieces
        connection.execute(insert(pieces).values(upload=known.id, start=known.received, sha256=sha256))
        blobs.store_row(connection, sha256, size, condemned=False)
        if blobs.refer(connection, known.tenant, known.id, blobs.PIECE, [sha256]):
            usage.check_bytes(connection, known.tenant, max_bytes)
    return row


def list_pieces(db: Database, known: ResumableRow) -> list[str]:
    """The hashes of the pieces of an upload up to what is known of it, in their order."""
    with db.read() as connection:
        query = select(pieces.c.sha256).where(pieces.c.upload == known.id, pieces.c.start < known.received)
        return list(connection.execute(query.order_by(pieces.c.start)).scalars())


def finish(
    db: Database,
    known: ResumableRow,
    sha256: str,
    info: dict[str, Any],
    *,
    seconds: float,
    max_bytes: float = 0,
) -> ResumableRow:
    """Make a medium of an upload, in place of its pieces; the upload says so for `seconds`.

    Raises OffsetMoved, and LimitReached when the tenant would have more than `max_bytes`.
    """
    with db.write() as connection:
        usage.lock_tenant(connection, known.tenant)
        changes = {"received": known.bytes, "media_sha256": sha256, "expires_at": now() + seconds}
        row = _move(connection, known, **changes)
        is_new = files.record_media(connection, known.tenant, sha256, info)
        _drop_pieces(connection, known.tenant, known.id)
        if is_new:
            usage.check_bytes(connection, known.tenant, max_bytes)
    return row


def discard(db: Database, tenant: str, upload_id: str) -> bool:
    """Delete an upload with its pieces; False when there is none. The medium of a finished one is kept."""
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        mine = (table.c.id == upload_id, table.c.tenant == tenant)
        if connection.execute(select(table.c.id).where(*mine)).first() is None:
            return False
        _drop_pieces(connection, tenant, upload_id)
        connection.execute(delete(table).where(*mine))
    return True


def drop_expired(db: Database) -> int:
    """Delete uploads that can be resumed no longer; returns how many."""
    with db.read() as connection:
        query = select(table.c.tenant, table.c.id).where(table.c.expires_at <= now())
        old = connection.execute(query.order_by(table.c.id)).all()
    # one at a time: files are locked in one order, or two transactions could wait for each other
    return sum(discard(db, row.tenant, row.id) for row in old)


def drop_all(db: Database, tenant: str) -> None:
    """Delete all uploads of a tenant that have not become media."""
    with db.read() as connection:
        own = connection.execute(select(table.c.id).where(table.c.tenant == tenant)).scalars().all()
    for upload_id in own:
        discard(db, tenant, upload_id)


def _move(connection: Connection, known: ResumableRow, **changes: Any) -> ResumableRow:
    """Change an upload of a locked tenant that is as it is known; raises OffsetMoved."""
    as_known = (
        table.c.id == known.id,
        table.c.tenant == known.tenant,
        table.c.received == known.received,
        table.c.media_sha256.is_(None),
        table.c.expires_at > now(),
    )
    moved = connection.execute(update(table).where(*as_known).values(**changes).returning(*COLUMNS))
    row = moved.one_or_none()
    if row is None:
        raise OffsetMoved
    return ResumableRow.from_row(row)


def _drop_pieces(connection: Connection, tenant: str, upload_id: str) -> None:
    """Drop what an upload of a locked tenant has kept."""
    hashes = list(connection.execute(select(pieces.c.sha256).where(pieces.c.upload == upload_id)).scalars())
    if hashes:
        blobs.drop(connection, tenant, upload_id, blobs.PIECE, sorted(set(hashes)))
    connection.execute(delete(pieces).where(pieces.c.upload == upload_id))
