"""The interface of artefact stores."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20
# records who needs a file, by its hash and size in bytes, before the file is stored
Claim = Callable[[str, int], object]


class ArtefactMissing(LookupError):
    """No content with that hash is stored."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the store; `stored_at` is in seconds since the epoch by the store's clock."""

    sha256: str
    bytes: int
    stored_at: float


class ArtefactStore(ABC):
    """Content-addressed bytes: written once, never changed."""

    scratch: Path

    @abstractmethod
    def size(self, sha256: str) -> int:
        """The size in bytes; raises ArtefactMissing."""

    def has(self, sha256: str) -> bool:
        """Whether content with that hash is stored."""
        try:
            self.size(sha256)
        except ArtefactMissing:
            return False
        return True

    @abstractmethod
    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces; raises ArtefactMissing."""

    @abstractmethod
    def path(self, sha256: str) -> Path:
        """A local file with the content; raises ArtefactMissing."""

    @abstractmethod
    def adopt(self, file: Path, sha256: str) -> None:
        """Take over a finished local file whose hash is known."""

    # files that `remove` removes in one step, which takes about as long as removing a single one
    removed_per_step: int = 1

    @abstractmethod
    def remove(self, hashes: Sequence[str]) -> None:
        """Remove files, also from local caches; those that are missing are no error. Raises OSError."""

    @abstractmethod
    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        """The files whose hashes start with `prefix`, two hexadecimal digits; all for an empty one."""

    def remove_stale_copies(self) -> int:
        """Remove local copies that nobody has read lately; returns how many."""
        return 0

    def free_bytes(self) -> int:
        """Space that is left for files in use, in bytes."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.scratch).free

    def remove_abandoned(self, min_age_seconds: float = 300.0) -> list[Path]:
        """Remove temporary files whose writer is gone (it was killed); returns which."""
        removed = []
        for file in self.scratch.glob("tmp*"):
            with suppress(OSError), file.open("rb") as opened:
                if time.time() - file.stat().st_mtime < min_age_seconds:
                    continue
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
                removed.append(file)
        return removed

    def writer(self) -> "ArtefactWriter":
        """A file that is hashed while it is written."""
        return ArtefactWriter(self)

    def put(self, data: bytes, claim: Claim | None = None) -> str:
        """Store bytes and return their hash; `claim` is called before they are stored."""
        with self.writer() as writer:
            writer.write(data)
            return writer.commit(claim)

    def put_file(self, file: Path, claim: Claim | None = None) -> str:
        """Store a file's content and return its hash; the file stays where it is."""
        with self.writer() as writer, file.open("rb") as source:
            while chunk := source.read(CHUNK):
                writer.write(chunk)
            return writer.commit(claim)

    def get(self, sha256: str) -> bytes:
        """The complete content; raises ArtefactMissing."""
        return b"".join(self.read(sha256))


class ArtefactWriter:
    """Writes to a temporary file; `commit` makes it durable under its hash."""

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        store.scratch.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=store.scratch)
        # held until the process ends, however it ends: what nobody holds was abandoned
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.file = Path(name)
        self._file = os.fdopen(descriptor, "wb")
        self._hash = hashlib.sha256()
        self.bytes = 0

    def __enter__(self) -> "ArtefactWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._hash.update(data)
        self._file.write(data)
        self.bytes += len(data)

    def flush(self) -> Path:
        """Make what was written readable at the returned path."""
        self._file.flush()
        return self.file

    def sha256(self) -> str:
        """The hash of what was written so far."""
        return self._hash.hexdigest()

    def commit(self, claim: Claim | None = None) -> str:
        """Make the content durable and return its hash; what `claim` raises ends it before."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._hash.hexdigest()
        if claim is not None:
            claim(digest, self.bytes)
        self._store.adopt(self.file, digest)
        return digest

    def discard(self) -> None:
        """Drop what was not committed."""
        self._file.close()
        self.file.unlink(missing_ok=True)
