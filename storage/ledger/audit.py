"""The audit log: every deletion and every act of an operator; who, what, when, from where, never contents."""

import json
import os
import pwd
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.tables import audit

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a key by its id, an operator by user name, or the service itself; `address` is from where."""

    name: str
    address: str | None = None


SERVICE = Actor("service")
RETENTION = Actor("retention")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One act; `at` is in seconds since the epoch, `subject` an id or a hash; `detail` holds no contents."""

    seq: int
    at: float
    actor: str
    address: str | None
    action: str
    tenant: str | None
    subject: str | None
    detail: dict[str, Any]


def find_operator() -> Actor:
    """The user of this process and the host, for commands."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return Actor(f"operator:{user}", socket.gethostname())


def record(
    connection: Connection,
    actor: Actor,
    action: str,
    *,
    tenant: str | None = None,
    subject: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record an act in the transaction that does it."""
    connection.execute(
        insert(audit)
        .values(
            at=now(),
            actor=actor.name,
            address=actor.address,
            action=action,
            tenant=tenant,
            subject=subject,
            detail=json.dumps(dict(detail or {})),
        )
        .inline()
    )


def list_acts(
    db: Database, *, since: float = 0.0, until: float | None = None, tenant: str | None = None
) -> Iterator[AuditRow]:
    """Acts from `since` up to `until`, oldest first, page by page."""
    conditions = [audit.c.at >= since]
    if until is not None:
        conditions.append(audit.c.at < until)
    if tenant is not None:
        conditions.append(audit.c.tenant == tenant)
    last = 0
    while True:
        with db.read() as connection:
            query = select(audit).where(*conditions, audit.c.seq > last).order_by(audit.c.seq).limit(PAGE)
            rows = connection.execute(query).all()
        for row in rows:
            yield AuditRow(**{**row._mapping, "detail": json.loads(row.detail)})
        if len(rows) < PAGE:
            return
        last = rows[-1].seq


def drop_older(db: Database, days: float) -> None:
    """Delete what is older than `days`; 0 keeps everything."""
    old = audit.c.at < now() - days * 86_400.0
    with db.read() as connection:
        if not days or connection.execute(select(audit.c.seq).where(old).limit(1)).first() is None:
            return
    with db.write() as connection:
        connection.execute(delete(audit).where(old))
