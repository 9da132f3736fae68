"""Which workers are alive and which engines they have loaded."""

import json
from typing import Any

from sqlalchemy import delete, insert, select, update

from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.records import WorkerRow
from storage.ledger.tables import workers


def announce(db: Database, worker: str, queue: str, engines: list[dict[str, Any]]) -> None:
    """A worker's engines are warm: it takes jobs from now on."""
    with db.write() as connection:
        connection.execute(delete(workers).where(workers.c.id == worker))
        connection.execute(
            insert(workers).values(
                id=worker, queue=queue, engines=json.dumps(engines), draining=False, seen_at=now()
            )
        )


def record_seen(db: Database, worker: str, stats: dict[str, Any] | None = None) -> None:
    """A worker is alive, and has measured so much about itself."""
    values: dict[str, Any] = {"seen_at": now()}
    if stats is not None:
        values["stats"] = json.dumps(stats)
    with db.write() as connection:
        connection.execute(update(workers).where(workers.c.id == worker).values(**values))


def drain(db: Database, worker: str) -> None:
    """A worker is to hand its jobs back and stop."""
    with db.write() as connection:
        connection.execute(update(workers).where(workers.c.id == worker).values(draining=True))


def leave(db: Database, worker: str) -> None:
    """A worker has stopped."""
    with db.write() as connection:
        connection.execute(delete(workers).where(workers.c.id == worker))


def list_alive(db: Database, within_seconds: float) -> list[WorkerRow]:
    """Workers seen lately."""
    with db.read() as connection:
        rows = connection.execute(select(workers).where(workers.c.seen_at > now() - within_seconds))
        return [
            WorkerRow(
                row.id,
                row.queue,
                json.loads(row.engines),
                row.draining,
                None if row.stats is None else json.loads(row.stats),
            )
            for row in rows
        ]
