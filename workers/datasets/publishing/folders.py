"""Writing a version to a folder so that readers see all of it or nothing, and only one writer wins."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from workers.datasets import manifest
from workers.datasets.manifest import DatasetManifest

MARKER = ".published"


def publish_folder(
    folder: Path, built: DatasetManifest, files: Mapping[str, bytes | Path], *, key: str | None = None
) -> bool:
    """Write a version to `folder`; False when somebody else has published there first.

    Files are written and synced beside `folder`, which then gets its name by one rename: the rename is the
    marker that the first writer wins, because a folder with content cannot be renamed over.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and any(folder.iterdir()):
        return False
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for name, content in files.items():
            _write(scratch / Path(name).name, content)
        data = built.encode()
        _write(scratch / manifest.MANIFEST, data)
        if key is not None:
            _write(scratch / manifest.SIGNATURE, manifest.sign(data, key))
        _write(scratch / MARKER, f"{built.version}\n".encode())
        _sync(scratch)
        scratch.chmod(0o755)
        try:
            # replaces an empty folder and fails on one with content
            scratch.rename(folder)
        except OSError:
            if folder.exists() and any(folder.iterdir()):
                return False
            raise
        _sync(folder.parent)
        return True
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(path: Path, content: bytes | Path) -> None:
    with path.open("wb") as file:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
