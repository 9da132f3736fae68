"""The pipeline without a service: memory in a folder, results in a folder, published by one rename."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from workers.datasets.clip_work import Components
from workers.datasets.documents import render_documents
from workers.datasets.local_executor import LocalExecutor
from workers.datasets.pipeline import Pipeline
from workers.datasets.publishing import folders
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.version import DatasetVersion, write_version

ProgressCallback = Callable[[str, int, int | None, str | None], None]


class FolderWorkspace:
    """Keeps everything under `folder`: content by its hash, memories by their key; the first writer wins."""

    def __init__(self, folder: Path, told: ProgressCallback | None = None) -> None:
        self.files: dict[str, Path] = {}
        self._folder, self._told = folder, told
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        (folder / "keys").mkdir(exist_ok=True)

    def report_progress(self, stage: str, done: int, total: int | None, message: str | None = None) -> None:
        """Hand on to whoever listens."""
        if self._told is not None:
            self._told(stage, done, total, message)

    def store(self, name: str, role: str, media_type: str, data: bytes) -> str:
        """Keep a file under its hash."""
        digest = hashlib.sha256(data).hexdigest()
        self._place(self._folder / "blobs" / digest, data)
        self.files[name] = self._folder / "blobs" / digest
        return digest

    def load(self, sha256: str) -> bytes:
        """What lies under a hash."""
        return self.blob(sha256).read_bytes()

    def get_cached(self, key: str) -> bytes | None:
        """What was kept under a key."""
        path = self._folder / "keys" / key
        return path.read_bytes() if path.is_file() else None

    def put_cached(self, key: str, data: bytes) -> None:
        """Keep it unless somebody has."""
        self._place(self._folder / "keys" / key, data)

    def blob(self, sha256: str) -> Path:
        """Where a stored content lies."""
        return self._folder / "blobs" / sha256

    def _place(self, path: Path, data: bytes) -> None:
        if path.exists():
            return
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        scratch = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # a link fails where the name is taken: the marker that the first writer wins
            path.hardlink_to(scratch)
        except FileExistsError:
            pass
        finally:
            scratch.unlink(missing_ok=True)


def build_dataset(
    sources: Sequence[Source],
    components: Components,
    settings: DatasetSettings,
    work: Path,
    out: Path,
    *,
    key: str | None = None,
    told: ProgressCallback | None = None,
) -> DatasetVersion:
    """Make a dataset in `out`, going on from what `work` remembers.

    Raises DatasetError; FileExistsError when `out` holds another version already.
    """
    workspace = FolderWorkspace(work, told)
    built = Pipeline(LocalExecutor(workspace, components, settings), settings).run(sources)
    infos = [components.track_source.info]
    infos += [tool.info for tool in (components.objects, components.captioner) if tool is not None]
    written = write_version(workspace, built, settings, infos, version("maquette-server"))
    files: dict[str, bytes | Path] = {f.name: workspace.blob(f.sha256) for f in written.manifest.all_files()}
    files |= render_documents(written, workspace.load)
    if not folders.publish_folder(out, written.manifest, files, key=key):
        there = Dataset(out).version
        if there != written.manifest.version:
            raise FileExistsError(f"{out} holds another version already: {there[:12]}")
    return written
