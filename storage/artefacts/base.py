"""The interface of artefact stores."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CHUNK = 1 << 20


class ArtefactMissing(LookupError):
    """No content with that hash is stored."""


class ArtefactStore(ABC):
    """Content-addressed bytes: written once, never changed."""

    scratch: Path

    @abstractmethod
    def size(self, sha256: str) -> int:
        """The size in bytes; raises ArtefactMissing."""

    @abstractmethod
    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces; raises ArtefactMissing."""

    @abstractmethod
    def path(self, sha256: str) -> Path:
        """A local file with the content; raises ArtefactMissing."""

    @abstractmethod
    def adopt(self, file: Path, sha256: str) -> None:
        """Take over a finished local file whose hash is known."""

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

    def put(self, data: bytes) -> str:
        """Store bytes and return their hash."""
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()

    def put_file(self, file: Path) -> str:
        """Store a file's content and return its hash; the file stays where it is."""
        with self.writer() as writer, file.open("rb") as source:
            while chunk := source.read(CHUNK):
                writer.write(chunk)
            return writer.commit()

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

    def commit(self) -> str:
        """Make the content durable and return its hash."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._hash.hexdigest()
        self._store.adopt(self.file, digest)
        return digest

    def discard(self) -> None:
        """Drop what was not committed."""
        self._file.close()
        self.file.unlink(missing_ok=True)
