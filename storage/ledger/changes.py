"""Which jobs' histories grew, as soon as they do: LISTEN on Postgres, the data version on SQLite."""

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from storage.ledger.database import Database
from storage.ledger.tables import events

CHANNEL = "maquette_events"
# SQLite has no notifications; reading the data version costs microseconds and no lock.
# whoever waits for the mask of a click waits half of this on average
POLL_SECONDS = 0.005
WAIT_SECONDS = 1.0


def watch(db: Database, stop: threading.Event, report: Callable[[set[str]], None]) -> None:
    """Report the ids of jobs with new events until `stop` is set; runs in a thread of its own.

    Raises SQLAlchemyError or a driver's error when the connection is lost: events may have been missed then.
    """
    if db.is_sqlite:
        _poll_sqlite(db, stop, report)
    else:
        _listen(db, stop, report)


def _poll_sqlite(db: Database, stop: threading.Event, report: Callable[[set[str]], None]) -> None:
    with db.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        version = _data_version(raw)
        last = _last_event(db)
        while not stop.wait(POLL_SECONDS):
            current = _data_version(raw)
            if current == version:
                continue
            version = current
            with db.read() as reader:
                rows = reader.execute(select(events.c.seq, events.c.job_id).where(events.c.seq > last)).all()
            if rows:
                last = max(row.seq for row in rows)
                report({row.job_id for row in rows})


def _listen(db: Database, stop: threading.Event, report: Callable[[set[str]], None]) -> None:
    with db.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.autocommit = True
        raw.execute(f"LISTEN {CHANNEL}")
        try:
            while not stop.is_set():
                changed = {notice.payload for notice in raw.notifies(timeout=WAIT_SECONDS, stop_after=1)}
                if changed:
                    report(changed)
        finally:
            # the connection goes back to the pool as it came
            raw.execute(f"UNLISTEN {CHANNEL}")
            raw.autocommit = False


def _data_version(raw: Any) -> int:
    return int(raw.execute("PRAGMA data_version").fetchone()[0])


def _last_event(db: Database) -> int:
    with db.read() as connection:
        return connection.execute(select(func.max(events.c.seq))).scalar() or 0
