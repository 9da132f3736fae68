"""Artefacts in a folder: temporary files are renamed to their hash, so readers see complete files only."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from storage.artefacts.base import CHUNK, ArtefactMissing, ArtefactStore, StoredFile


class LocalStore(ArtefactStore):
    """A folder of files named by their hash."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.scratch = self.root / "tmp"

    def _file(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256

    def path(self, sha256: str) -> Path:
        file = self._file(sha256)
        if not file.is_file():
            raise ArtefactMissing(sha256)
        return file

    def size(self, sha256: str) -> int:
        try:
            return self._file(sha256).stat().st_size
        except FileNotFoundError as error:
            raise ArtefactMissing(sha256) from error

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        # a file may be removed at any moment; once opened it can be read to its end
        try:
            source = self._file(sha256).open("rb")
        except FileNotFoundError as error:
            raise ArtefactMissing(sha256) from error
        with source:
            left = (os.fstat(source.fileno()).st_size if stop is None else stop) - start
            source.seek(start)
            while left > 0 and (chunk := source.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk

    def adopt(self, file: Path, sha256: str) -> None:
        target = self._file(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o444)
        file.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, hashes: Sequence[str]) -> None:
        for sha256 in hashes:
            self._file(sha256).unlink(missing_ok=True)

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        for file in self.root.glob(f"{prefix or '[0-9a-f][0-9a-f]'}/*"):
            with suppress(FileNotFoundError):
                stat = file.stat()
                yield StoredFile(file.name, stat.st_size, stat.st_mtime)
