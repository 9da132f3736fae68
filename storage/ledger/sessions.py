"""Video sessions and their prompts. They hold no worker, so any worker may continue them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from storage.ledger import audit, blobs, inputs, usage
from storage.ledger.audit import SERVICE, Actor
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.tables import sessions


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as the ledger stores it; `state` is the gateway's own JSON, `version` counts its changes."""

    id: str
    tenant: str
    video: str
    ttl_seconds: int
    version: int
    state: dict[str, Any]
    created_at: float
    expires_at: float

    @classmethod
    def from_row(cls, row: Row[Any]) -> "SessionRow":
        """From a row of the table."""
        values = {name: row._mapping[name] for name in cls.__slots__}
        return cls(**{**values, "state": json.loads(values["state"])})


COLUMNS = [sessions.c[name] for name in SessionRow.__slots__]


def add(db: Database, tenant: str, video: str, ttl_seconds: int, state: dict[str, Any]) -> SessionRow:
    """Open a session, which keeps its video from being deleted; raises InputGone."""
    values = {
        "id": f"ses_{db.time.now_ns() // 1_000_000:012x}{db.time.token(8)}",
        "tenant": tenant,
        "video": video,
        "ttl_seconds": ttl_seconds,
        "version": 0,
        "state": json.dumps(state),
        "created_at": now(),
        "expires_at": now() + ttl_seconds,
    }
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        row = connection.execute(insert(sessions).values(**values).returning(*COLUMNS)).one()
        inputs.hold(connection, tenant, row.id, [video])
    return SessionRow.from_row(row)


def get(db: Database, tenant: str, session_id: str) -> SessionRow | None:
    """An open session of a tenant."""
    mine = (sessions.c.id == session_id, sessions.c.tenant == tenant, sessions.c.expires_at > now())
    with db.read() as connection:
        row = connection.execute(select(*COLUMNS).where(*mine)).one_or_none()
    return SessionRow.from_row(row) if row else None


def change(db: Database, known: SessionRow, state: dict[str, Any]) -> SessionRow | None:
    """Store a new state and extend the session; None when another request has changed it meanwhile."""
    with db.write() as connection:
        row = connection.execute(
            update(sessions)
            .where(sessions.c.id == known.id, sessions.c.version == known.version)
            .values(
                state=json.dumps(state),
                version=known.version + 1,
                expires_at=now() + sessions.c.ttl_seconds,
            )
            .returning(*COLUMNS)
        ).one_or_none()
    return SessionRow.from_row(row) if row else None


def close(db: Database, tenant: str, session_id: str, actor: Actor = SERVICE) -> bool:
    """End a session; False when there is none."""
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        mine = (sessions.c.id == session_id, sessions.c.tenant == tenant)
        ended = connection.execute(delete(sessions).where(*mine).returning(sessions.c.id, sessions.c.video))
        if not _let_go(connection, tenant, ended.all()):
            return False
        audit.record(connection, actor, "session.close", tenant=tenant, subject=session_id)
        return True


def drop_expired(db: Database) -> None:
    """Delete expired sessions."""
    over = sessions.c.expires_at <= now()
    with db.read() as connection:
        tenants = connection.execute(select(sessions.c.tenant).where(over).distinct()).scalars().all()
    for tenant in tenants:
        with db.write() as connection:
            usage.lock_tenant(connection, tenant)
            ended = delete(sessions).where(over, sessions.c.tenant == tenant)
            rows = connection.execute(ended.returning(sessions.c.id, sessions.c.video)).all()
            _let_go(connection, tenant, rows)


def _let_go(connection: Connection, tenant: str, ended: Sequence[Any]) -> int:
    """Drop what ended sessions have kept; returns how many there are."""
    for row in ended:
        blobs.drop(connection, tenant, row.id, blobs.INPUT, [row.video])
    return len(ended)
