"""Which tenant may read which content: uploads and artefacts."""

import json
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.records import MediaRow
from storage.ledger.tables import artefacts, media

KNOWN_MEDIA = 10_000
# built once: building a statement costs more than running it
FIND_MEDIA = select(media.c.info).where(
    media.c.tenant == bindparam("of_tenant"), media.c.sha256 == bindparam("content")
)


def add_media(db: Database, tenant: str, sha256: str, info: dict[str, Any]) -> None:
    """Note an upload; the same content again changes nothing."""
    _add(db, media, {"tenant": tenant, "sha256": sha256, "info": json.dumps(info), "created_at": now()})


def find_media(db: Database, tenant: str, sha256: str) -> MediaRow | None:
    """An upload of a tenant."""
    known = db.known_media.get((tenant, sha256))
    if known is not None:
        return known
    with db.read() as connection:
        row = connection.execute(FIND_MEDIA, {"of_tenant": tenant, "content": sha256}).one_or_none()
    if row is None:
        return None
    if len(db.known_media) >= KNOWN_MEDIA:
        db.known_media.clear()
    # an upload never changes, so what was read once stays true
    return db.known_media.setdefault((tenant, sha256), MediaRow(tenant, sha256, json.loads(row.info)))


def add_artefact(db: Database, tenant: str, sha256: str, media_type: str, size: int) -> None:
    """Let a tenant read an artefact."""
    _add(
        db,
        artefacts,
        {
            "tenant": tenant,
            "sha256": sha256,
            "media_type": media_type,
            "bytes": size,
            "created_at": now(),
        },
    )


def find_artefact(db: Database, tenant: str, sha256: str) -> tuple[str, int] | None:
    """Media type and size of an artefact of a tenant."""
    with db.read() as connection:
        row = connection.execute(
            select(artefacts.c.media_type, artefacts.c.bytes).where(
                artefacts.c.tenant == tenant, artefacts.c.sha256 == sha256
            )
        ).one_or_none()
    return (row.media_type, row.bytes) if row else None


def _add(db: Database, table: Any, values: dict[str, Any]) -> None:
    make: Any = sqlite_insert if db.is_sqlite else postgres_insert
    with db.write() as connection:
        connection.execute(make(table).values(**values).on_conflict_do_nothing())
