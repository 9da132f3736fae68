"""Collection in a ledger of many artefacts: a round with nothing to do, deletions, and the round after them.

python -m bench run service.collection [--files 1000000] [--deleted 0.1] [--url DATABASE]

Only files that will be removed lie in the folder. SQLite has one writer: `longest_lock_ms` is the longest
time for which another process found the ledger locked, asked every millisecond; the aim is 100 ms. With
another database it is the longest transaction, whose rows are locked.
"""

import argparse
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Process, Value
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, insert

from bench.report import Report
from bench.timing import Stopwatch
from storage.artefacts.local import LocalStore
from storage.collection import Collector
from storage.ledger import Database, deletion, usage
from storage.ledger.database import find_sqlite_file
from storage.ledger.retention import Retention
from storage.ledger.tables import artefacts, blob_refs, blobs, jobs

TENANT = "acme"
FILES_PER_JOB = 1000
FOREVER = Retention(uploads=0, results=0, events=0, scratch=0)
# rows are as old as a ledger from 2026
AT = 1_780_000_000.0


class LockProbe(Process):
    """A process that asks an SQLite file again and again whether it is locked for writing."""

    def __init__(self, file: Path) -> None:
        super().__init__(daemon=True)
        self._file = file
        # seconds
        self._longest = Value("d", 0.0)

    def run(self) -> None:
        connection = sqlite3.connect(self._file, timeout=0.0, isolation_level=None)
        locked_since: float | None = None
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
                locked_since = None
            except sqlite3.OperationalError:
                now = time.monotonic()
                locked_since = locked_since or now
                self._longest.value = max(self._longest.value, now - locked_since)
            time.sleep(0.001)

    def take_longest(self) -> float:
        """The longest since the last call, in milliseconds."""
        longest, self._longest.value = self._longest.value, 0.0
        return round(1e3 * longest, 1)


class TimedDatabase(Database):
    """A ledger that remembers its longest write transaction, in seconds."""

    longest = 0.0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        begun = self.time.monotonic()
        with super().write() as connection:
            yield connection
        self.longest = max(self.longest, self.time.monotonic() - begun)

    def take_longest(self) -> float:
        """The longest since the last call, in milliseconds."""
        longest, self.longest = self.longest, 0.0
        return round(1e3 * longest, 1)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--deleted", type=float, default=0.1, help="share of the jobs that is deleted")
    parser.add_argument("--url", help="an empty database; by default SQLite in a temporary folder")


def run(options: argparse.Namespace, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = TimedDatabase(options.url or f"sqlite:///{Path(folder) / 'ledger.db'}")
        db.migrate()
        store = LocalStore(Path(folder) / "store")
        count = max(1, options.files // FILES_PER_JOB)
        doomed = range(int(count * options.deleted))
        for number in range(count):
            fill(db, store if number in doomed else None, number)
        collector = Collector(db, store, FOREVER, grace_seconds=-1)
        process, watch = psutil.Process(), Stopwatch()
        probe = start_probe(db)
        before = process.memory_info().rss
        probe.take_longest()
        collector.collect()
        idle = watch.lap()
        report.add({"idle_round_seconds": round(idle.wall, 2), "idle_longest_lock_ms": probe.take_longest()})
        for number in doomed:
            deletion.delete_job(db, TENANT, name_job(number))
        deleted = watch.lap()
        report.add(
            {
                "delete_ms_per_job": round(1e3 * deleted.wall / max(1, len(doomed)), 1),
                "delete_longest_lock_ms": probe.take_longest(),
            }
        )
        done = collector.collect()
        removed = watch.lap()
        report.add(
            {
                "removed_files": done.files,
                "removed_per_second": round(done.files / removed.wall),
                "remove_longest_lock_ms": probe.take_longest(),
                "memory_growth_mb": round((process.memory_info().rss - before) / 1e6, 1),
                "stored_bytes_left": usage.get_usage(db, TENANT).stored_bytes,
            }
        )
        db.close()


def start_probe(db: TimedDatabase) -> LockProbe | TimedDatabase:
    """What measures how long others wait: a process that asks, or the ledger itself."""
    file = find_sqlite_file(db.url)
    if file is None:
        return db
    probe = LockProbe(file)
    probe.start()
    return probe


def name_job(number: int) -> str:
    """The id of a job of the bench."""
    return f"job_{number:028x}"


def fill(db: Database, store: LocalStore | None, number: int) -> None:
    """Write the rows of a job that has succeeded, and its files where there is a store."""
    hashes = [hashlib.sha256(f"{number}/{place}".encode()).hexdigest() for place in range(FILES_PER_JOB)]
    job: dict[str, Any] = {
        "id": name_job(number),
        "tenant": TENANT,
        "kind": "track",
        "state": "succeeded",
        "engine": "auto",
        "queue": "default",
        "request": "{}",
        "request_hash": "",
        "timeout_seconds": 60,
        "attempt": 1,
        "handed_back": 0,
        "created_at": AT,
        "finished_at": AT,
        "released_at": AT,
    }
    file = {"tenant": TENANT, "bytes": 1, "created_at": AT, "media_type": "a/b"}
    ref = {"owner": job["id"], "tenant": TENANT, "role": "result"}
    with db.write() as connection:
        connection.execute(insert(jobs), [job])
        connection.execute(insert(blobs), [{"sha256": sha, "bytes": 1, "stored_at": AT} for sha in hashes])
        connection.execute(insert(artefacts), [{**file, "sha256": sha256} for sha256 in hashes])
        connection.execute(insert(blob_refs), [{**ref, "sha256": sha256} for sha256 in hashes])
        usage.count_bytes(connection, TENANT, hashes, 1)
    if store is not None:
        for sha256 in hashes:
            target = store.root / sha256[:2] / sha256
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"x")
