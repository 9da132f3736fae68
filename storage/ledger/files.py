"""Which tenant may read which content: uploads and artefacts."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from storage.ledger import blobs, usage
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.records import MediaRow
from storage.ledger.tables import artefacts, media

# built once: building a statement costs more than running it
FIND_MEDIA = select(media.c.info).where(
    media.c.tenant == bindparam("of_tenant"), media.c.sha256 == bindparam("content")
)
# how exactly the last use of an upload is known: a write for each use would cost more than the rest of it
USE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class ArtefactRow:
    """An artefact of one tenant; one that was deleted cannot be read any more."""

    media_type: str
    bytes: int
    deleted: bool


def add_media(db: Database, tenant: str, sha256: str, info: dict[str, Any], *, max_bytes: float = 0) -> None:
    """Record an upload; the same content again counts as a use.

    Raises LimitReached when the tenant would have more than `max_bytes`.
    """
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        if record_media(connection, tenant, sha256, info):
            usage.check_bytes(connection, tenant, max_bytes)


def record_media(connection: Connection, tenant: str, sha256: str, info: dict[str, Any]) -> bool:
    """Record an upload of a locked tenant; returns whether the tenant had no reference to its file."""
    row = {"info": json.dumps(info), "created_at": now(), "used_at": now()}
    connection.execute(
        blobs.upsert(connection, media)
        .values(tenant=tenant, sha256=sha256, **row)
        .on_conflict_do_update(
            index_elements=[media.c.tenant, media.c.sha256], set_={"used_at": row["used_at"]}
        )
    )
    blobs.store_row(connection, sha256, int(info.get("bytes", 0)), condemned=False)
    return blobs.refer(connection, tenant, blobs.UPLOADS, blobs.UPLOAD, [sha256])


def find_media(db: Database, tenant: str, sha256: str) -> MediaRow | None:
    """An upload of a tenant."""
    with db.read() as connection:
        row = connection.execute(FIND_MEDIA, {"of_tenant": tenant, "content": sha256}).one_or_none()
    return None if row is None else MediaRow(tenant, sha256, json.loads(row.info))


def use_media(db: Database, tenant: str, sha256: str) -> MediaRow | None:
    """An upload of a tenant, whose time of last use is brought up to date."""
    known = find_media(db, tenant, sha256)
    if known is None:
        return None
    mine = (media.c.tenant == tenant, media.c.sha256 == sha256)
    old = media.c.used_at < now() - USE_SECONDS
    with db.read() as connection:
        if connection.execute(select(media.c.sha256).where(*mine, old)).first() is None:
            return known
    with db.write() as connection:
        used = connection.execute(update(media).where(*mine).values(used_at=now()))
    return known if used.rowcount else None


def find_artefact(db: Database, tenant: str, sha256: str) -> ArtefactRow | None:
    """An artefact of a tenant."""
    with db.read() as connection:
        row = connection.execute(
            select(artefacts.c.media_type, artefacts.c.bytes, artefacts.c.deleted_at).where(
                artefacts.c.tenant == tenant, artefacts.c.sha256 == sha256
            )
        ).one_or_none()
    return None if row is None else ArtefactRow(row.media_type, row.bytes, row.deleted_at is not None)
