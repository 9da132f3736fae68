"""One database, SQLite or Postgres: connections, transactions and migrations."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import make_url

from storage.ledger.clock import SQLITE_FUNCTION
from storage.ledger.time_source import SystemTime, TimeSource

MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """Gives transactions; `url` is an SQLAlchemy address (`sqlite:///…` or `postgresql+psycopg://…`).

    `busy_seconds` is how long a write waits for another process that has locked an SQLite file.
    """

    def __init__(self, url: str, *, busy_seconds: float = 20.0, time: TimeSource | None = None) -> None:
        self.time = time or SystemTime()
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed.render_as_string(hide_password=False)
        self._busy_seconds = busy_seconds
        # SQLite has one writer at a time, and one that finds it locked sleeps for up to 0.1 s before it looks
        # again, while others overtake it. Threads of this process wait here and are woken at once.
        self._writers = threading.Lock()
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = create_engine(
                parsed, connect_args={"timeout": busy_seconds, "check_same_thread": False}, pool_size=20
            )
            event.listen(self.engine, "connect", self._set_up_sqlite)
            event.listen(self.engine, "begin", _sqlite_begin)
        else:
            self.engine = create_engine(parsed, pool_size=10, max_overflow=20, pool_pre_ping=True)
        self._reader = self.engine.execution_options(maquette_reads=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; commits at the end."""
        with self._turn(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads and never waits for writers."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that reads what was committed when it began, however long it takes."""
        engine = (
            self._reader
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        with engine.connect() as connection:
            yield connection

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema to the newest version, or to an older one."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """While this thread may write; one that waits too long goes on to SQLite, which says so."""
        is_held = self.is_sqlite and self._writers.acquire(timeout=self._busy_seconds)
        try:
            yield
        finally:
            if is_held:
                self._writers.release()

    def _set_up_sqlite(self, connection: Any, _record: Any) -> None:
        connection.create_function(SQLITE_FUNCTION, 0, lambda: self.time.now_ns() / 1e9)
        # SQLAlchemy's begin event starts transactions; the driver must not start its own
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # 202 means durable: every commit reaches the disk
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # what is deleted is overwritten, not only unlinked
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()


def find_sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite ledger; None for another database, and for one in memory."""
    parsed = make_url(url)
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(str(parsed.database)) if is_file else None


def _sqlite_begin(connection: Connection) -> None:
    # a writer that starts as a reader can fail with "database is locked" at its first write
    reads = connection.get_execution_options().get("maquette_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
