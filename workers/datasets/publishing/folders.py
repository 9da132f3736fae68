"""Writing a version to a folder of a file system."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from workers.datasets import manifest
from workers.datasets.manifest import DatasetManifest

MARKER = ".published"
COPY_BYTES = 1 << 20


def publish_folder(
    folder: Path,
    version: DatasetManifest,
    files: Iterable[tuple[str, bytes | Path]],
    *,
    key: str | None = None,
) -> bool:
    """Write a version to `folder`; return False when another writer was first.

    `files` are names with their contents, or with files to copy; `key` signs the manifest. Files are written
    and synced in a scratch folder beside `folder`, which then gets its name by one rename. That rename
    decides which writer was first, because a folder that is not empty cannot be replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and any(folder.iterdir()):
        return False
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for name, content in files:
            _write_synced(scratch / Path(name).name, content)
        data = version.encode()
        _write_synced(scratch / manifest.MANIFEST, data)
        if key is not None:
            _write_synced(scratch / manifest.SIGNATURE, manifest.sign(data, key))
        _write_synced(scratch / MARKER, f"{version.version}\n".encode())
        _sync_folder(scratch)
        scratch.chmod(0o755)
        try:
            # replaces an empty folder, and fails on one that is not
            scratch.rename(folder)
        except OSError:
            if folder.exists() and any(folder.iterdir()):
                return False
            raise
        _sync_folder(folder.parent)
        return True
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_synced(path: Path, content: bytes | Path) -> None:
    with path.open("wb") as file:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, file, COPY_BYTES)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
