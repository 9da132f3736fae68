"""Stores and ledgers whose process dies where a test says, and a ledger whose clock is moved."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, update

from storage.artefacts import ArtefactStore
from storage.ledger import Database
from storage.ledger.tables import metadata

TIMES = {
    "blobs": ("stored_at", "condemned_at"),
    "media": ("created_at", "used_at"),
    "artefacts": ("created_at", "deleted_at"),
    "jobs": ("created_at", "finished_at", "deleted_at", "released_at"),
    "sessions": ("expires_at",),
    "collection": ("since", "next_at"),
}


class Crash(Exception):
    """The process dies here."""


class FailingStore:
    """A store that dies in the middle of a removal when it is asked to."""

    def __init__(self, store: ArtefactStore) -> None:
        self.store, self.left = store, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def remove(self, hashes: list[str]) -> None:
        if self.left and len(hashes) >= self.left:
            self.store.remove(hashes[: self.left])
            raise Crash
        self.store.remove(hashes)


class CrashingDatabase(Database):
    """A ledger whose process dies at the end of one of the next transactions, before its commit."""

    left = 0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            yield connection
            self.left -= self.left > 0
            if self.left == 1:
                self.left = 0
                raise Crash

    def die_in(self, transactions: int) -> None:
        """Die at the end of the n-th transaction from now on; 0 never."""
        self.left = transactions + 1 if transactions else 0


def age(db: Database, seconds: float) -> None:
    """Let time pass: everything in the ledger is that much older. The server's clock cannot be moved."""
    with db.write() as connection:
        for table, columns in TIMES.items():
            known = metadata.tables[table]
            connection.execute(update(known).values({name: known.c[name] - seconds for name in columns}))
