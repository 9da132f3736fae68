"""Compares the store with the ledger, both ways, and repairs what differs."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, delete, func, select, update

from storage.artefacts import ArtefactMissing, ArtefactStore, StoredFile
from storage.ledger import Database, blobs, usage
from storage.ledger.clock import now
from storage.ledger.tables import artefacts, blob_refs, media
from storage.ledger.tables import blobs as table

# differences that are named in a report; all are counted
MOST_NAMED = 100
HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
# files that are compared at once, about 300 bytes of memory each
FILES_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Difference:
    """How store and ledger differ; `needed_by` are owners that refer to the file.

    `kind` is `unknown_file` (the ledger knows nothing of it), `stray_file` (its name is no hash), `lost_file`
    (the store has it no more), `wrong_size` or `damaged_file` (its content has another hash).
    """

    kind: str
    sha256: str
    bytes: int
    needed_by: tuple[str, ...] = ()


@dataclass(slots=True)
class CheckReport:
    """What was compared, and what differs; `differences` are the first ones, `counts` is of all by kind."""

    files: int = 0
    bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        """Count a difference."""
        self.counts[difference.kind] = self.counts.get(difference.kind, 0) + 1
        if len(self.differences) < MOST_NAMED:
            self.differences.append(difference)


def check_store(
    db: Database, store: ArtefactStore, *, min_age_seconds: float, repair: bool, read_all: bool = False
) -> CheckReport:
    """Compare all files with all rows, in parts by the first digits of their hashes.

    What is younger than `min_age_seconds` may be about to be stored and is left out. With `repair`, unknown
    files get a row that is marked, and the collector removes them after the grace time; of lost files the
    uploads are forgotten, so that they can be sent again, and the artefacts answer 410. With `read_all`, the
    content of every file is compared with its hash.
    """
    report = CheckReport()
    for prefix in _choose_prefixes(db):
        # the files first: a file that is stored meanwhile has its row by then
        files = {file.sha256: file for file in store.list_files(prefix)}
        report.files += len(files)
        report.bytes += sum(file.bytes for file in files.values())
        for difference in _compare(db, prefix, files, min_age_seconds):
            report.add(difference)
            if repair:
                _repair(db, difference, min_age_seconds)
        for file in files.values() if read_all else ():
            if HASH.fullmatch(file.sha256) and _hash_content(store, file.sha256) not in (file.sha256, None):
                report.add(Difference("damaged_file", file.sha256, file.bytes, _list_owners(db, file.sha256)))
    if repair:
        usage.recount(db)
    return report


def _choose_prefixes(db: Database) -> list[str]:
    """The parts in which files are compared: few enough files each to hold them in memory."""
    with db.read() as connection:
        known = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return [""] if known < FILES_AT_ONCE else [f"{number:02x}" for number in range(256)]


def _compare(
    db: Database, prefix: str, files: dict[str, StoredFile], min_age_seconds: float
) -> Iterator[Difference]:
    oldest = db.time.now_ns() / 1e9 - min_age_seconds
    with db.read() as connection:
        settled = (table.c.stored_at < now() - min_age_seconds).label("settled")
        columns = (table.c.sha256, table.c.bytes, settled)
        rows = {row.sha256: row for row in connection.execute(select(*columns).where(_starts(prefix)))}
    for sha256, file in files.items():
        row = rows.get(sha256)
        if not HASH.fullmatch(sha256):
            yield Difference("stray_file", sha256, file.bytes)
        elif row is None:
            if file.stored_at < oldest:
                yield Difference("unknown_file", sha256, file.bytes)
        elif row.bytes and row.bytes != file.bytes and row.settled:
            yield Difference("wrong_size", sha256, file.bytes, _list_owners(db, sha256))
    for sha256, row in rows.items():
        if sha256 not in files and row.settled:
            yield Difference("lost_file", sha256, row.bytes, _list_owners(db, sha256))


def _starts(prefix: str) -> ColumnElement[bool]:
    # hashes are hexadecimal: nothing that follows the prefix sorts behind "g"
    return table.c.sha256.between(prefix, prefix + "g")


def _list_owners(db: Database, sha256: str) -> tuple[str, ...]:
    with db.read() as connection:
        query = select(blob_refs.c.tenant, blob_refs.c.owner).where(blob_refs.c.sha256 == sha256).distinct()
        return tuple(f"{row.tenant}/{row.owner}" for row in connection.execute(query))


def _hash_content(store: ArtefactStore, sha256: str) -> str | None:
    """The hash of a file's content; None for one that was removed meanwhile."""
    digest = hashlib.sha256()
    try:
        for chunk in store.read(sha256):
            digest.update(chunk)
    except ArtefactMissing:
        return None
    return digest.hexdigest()


def _repair(db: Database, difference: Difference, min_age_seconds: float) -> None:
    sha256 = difference.sha256
    if difference.kind == "stray_file":
        return
    with db.write() as connection:
        if difference.kind == "unknown_file":
            row = {"sha256": sha256, "bytes": difference.bytes, "stored_at": now(), "condemned_at": now()}
            connection.execute(blobs.upsert(connection, table).values(**row).on_conflict_do_nothing())
            return
        settled = (table.c.sha256 == sha256, table.c.stored_at < now() - min_age_seconds)
        if connection.execute(select(table.c.sha256).where(*settled).with_for_update()).first() is None:
            # somebody stores it again
            return
        connection.execute(delete(media).where(media.c.sha256 == sha256))
        lost = (artefacts.c.sha256 == sha256, artefacts.c.deleted_at.is_(None))
        connection.execute(update(artefacts).where(*lost).values(deleted_at=now()))
        connection.execute(delete(blob_refs).where(blob_refs.c.sha256 == sha256))
        # a file of the wrong size is removed like any other that nothing needs
        blobs.condemn(connection, [sha256])
