"""A copy of the ledger and of all files in a folder, and an empty installation made from it.

The rows are read from one snapshot, and removals pause until the files that they name are copied. What a
folder holds already is not copied again, and what the ledger names no more leaves it.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, insert, select, text

from storage.artefacts import ArtefactMissing, ArtefactStore
from storage.artefacts.local import LocalStore
from storage.ledger import Database, retention

LEDGER, SUMMARY, FILES = "ledger.jsonl.gz", "backup.json", "artefacts"
FORMAT = 1
# removals pause for so long after the last file that was copied, also when the backup dies
PAUSE_SECONDS = 3600.0
FILES_PER_PAUSE = 1000
ROWS = 500
REVISION = "alembic_version"
Report = Callable[[int, int], None]


class BackupRefused(RuntimeError):
    """The folder is no backup, or the installation is not empty; nothing was changed."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What was copied; `missing` are files that rows name and that are not there, as jobs that run have."""

    rows: int
    files: int
    bytes: int
    missing: int


def write_backup(
    db: Database, store: ArtefactStore, folder: Path, report: Report = lambda done, total: None
) -> BackupReport:
    """Copy an installation to a folder while it runs; `report` receives how many files are done."""
    # it holds pictures and the hashes of keys
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    retention.pause_removals(db, PAUSE_SECONDS)
    try:
        unfinished = folder / f"{LEDGER}.tmp"
        hashes, rows = _dump(db, unfinished)
        copies = LocalStore(folder / FILES)
        missing = 0
        for done, sha256 in enumerate(hashes, 1):
            missing += not _copy(store, copies, sha256)
            if done % FILES_PER_PAUSE == 0:
                retention.pause_removals(db, PAUSE_SECONDS)
            report(done, len(hashes))
        unfinished.replace(folder / LEDGER)
    finally:
        retention.pause_removals(db, 0.0)
    kept = list(copies.list_files(""))
    copies.remove([file.sha256 for file in kept if file.sha256 not in hashes])
    sizes = [file.bytes for file in kept if file.sha256 in hashes]
    summary = BackupReport(rows, len(sizes), sum(sizes), missing)
    content = {"format": FORMAT, "at": db.time.now_ns() / 1e9, "rows": rows, "files": summary.files}
    (folder / SUMMARY).write_text(json.dumps(content, indent=1) + "\n")
    return summary


def restore_backup(
    db: Database, store: ArtefactStore, folder: Path, report: Report = lambda done, total: None
) -> BackupReport:
    """Make an empty installation what it was when a folder was written; raises BackupRefused.

    Files are checked against their hashes. The ledger stays empty until all are there: a restoration that
    dies can be run again. The ledger may be of another kind, and the release a newer one.
    """
    revision = _read_revision(folder)
    _check_empty(db, revision)
    copies = LocalStore(folder / FILES)
    files = list(copies.list_files(""))
    for done, file in enumerate(files, 1):
        if not store.has(file.sha256):
            store.put_file(copies.path(file.sha256), _refuse_other(file.sha256))
        report(done, len(files))
    db.migrate(revision)
    rows = _load(db, folder / LEDGER)
    db.migrate()
    retention.pause_removals(db, 0.0)
    return BackupReport(rows, len(files), sum(file.bytes for file in files), 0)


def _dump(db: Database, target: Path) -> tuple[set[str], int]:
    """Write all rows of one snapshot; returns the hashes of the files that are needed, and how many rows."""
    hashes: set[str] = set()
    rows = 0
    with db.snapshot() as connection, gzip.open(target, "wt", encoding="utf-8") as out:
        for table in _reflect(connection):
            for row in connection.execution_options(yield_per=ROWS).execute(select(table)).mappings():
                if table.name == "blob_refs":
                    hashes.add(row["sha256"])
                out.write(json.dumps({"table": table.name, "row": dict(row)}) + "\n")
                rows += table.name != REVISION
        out.flush()
    with target.open("rb") as written:
        os.fsync(written.fileno())
    return hashes, rows


def _copy(store: ArtefactStore, copies: LocalStore, sha256: str) -> bool:
    """Copy a file unless it is there; False when the store does not have it."""
    if copies.has(sha256):
        return True
    with copies.writer() as writer:
        try:
            for chunk in store.read(sha256):
                writer.write(chunk)
        except ArtefactMissing:
            return False
        if writer.sha256() != sha256:
            raise OSError(f"{sha256} is damaged in the store: it has the hash {writer.sha256()}")
        writer.commit()
    return True


def _load(db: Database, source: Path) -> int:
    """Store all rows in one transaction."""
    rows = 0
    with db.write() as connection:
        tables = {table.name: table for table in _reflect(connection)}
        # rows that the migrations have made
        for table in reversed(list(tables.values())):
            if table.name != REVISION:
                connection.execute(table.delete())
        batch: list[dict[str, Any]] = []
        last = ""
        for name, row in _read_rows(source):
            if batch and (name != last or len(batch) >= ROWS):
                connection.execute(insert(tables[last]), batch)
                batch = []
            last = name
            if name != REVISION:
                batch.append(row)
                rows += 1
        if batch:
            connection.execute(insert(tables[last]), batch)
        if not db.is_sqlite:
            for name in ("events", "audit"):
                _continue_sequence(connection, tables[name])
    return rows


def _continue_sequence(connection: Connection, table: Table) -> None:
    """Let Postgres count on from the last row."""
    last = connection.execute(select(func.max(table.c.seq))).scalar()
    if last is not None:
        statement = text("SELECT setval(pg_get_serial_sequence(:table, 'seq'), :last)")
        connection.execute(statement, {"table": table.name, "last": last})


def _read_revision(folder: Path) -> str:
    try:
        known = json.loads((folder / SUMMARY).read_text())
        for name, row in _read_rows(folder / LEDGER):
            if name == REVISION and known["format"] == FORMAT:
                return str(row["version_num"])
    except (OSError, ValueError, KeyError) as error:
        raise BackupRefused(f"{folder} is no complete backup: {error}") from error
    raise BackupRefused(f"{folder} is a backup of another release: use that one to restore it")


def _read_rows(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        for line in lines:
            content = json.loads(line)
            yield content["table"], content["row"]


def _check_empty(db: Database, revision: str) -> None:
    with db.read() as connection:
        tables = {table.name: table for table in _reflect(connection)}
        names = [name for name in ("jobs", "media", "api_keys") if name in tables]
        if any(connection.execute(select(tables[name]).limit(1)).first() for name in names):
            raise BackupRefused("this ledger is not empty: restore into a new one")
        current = connection.execute(select(tables[REVISION])).scalar() if REVISION in tables else revision
    if current != revision:
        raise BackupRefused("this ledger has tables of another release: restore into a new one")


def _reflect(connection: Connection) -> list[Table]:
    """The tables as they are, each after those that it refers to; a backup may be of an older schema."""
    metadata = MetaData()
    metadata.reflect(connection)
    first = [table for table in metadata.sorted_tables if table.name == REVISION]
    return first + [table for table in metadata.sorted_tables if table.name != REVISION]


def _refuse_other(sha256: str) -> Callable[[str, int], None]:
    """A claim that stops a file with another hash from being stored."""

    def check(actual: str, _size: int) -> None:
        if actual != sha256:
            raise BackupRefused(f"the file {sha256} of the backup is damaged: it has the hash {actual}")

    return check
