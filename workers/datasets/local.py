"""The pipeline without a service: it works in one folder, and publishes to another by one rename."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from workers.datasets.components import Components
from workers.datasets.documents import render_documents
from workers.datasets.local_executor import LocalExecutor
from workers.datasets.pipeline import Pipeline
from workers.datasets.protocols import Workspace
from workers.datasets.publishing import folders
from workers.datasets.reader import Dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.version import DatasetVersion, write_version

# stage, done, total and message
ProgressCallback = Callable[[str, int, int | None, str | None], None]


class FolderWorkspace:
    """Keeps everything under `folder`: content by its hash, the cache by its keys; the first writer wins."""

    def __init__(self, folder: Path, report: ProgressCallback | None = None) -> None:
        self.files: dict[str, Path] = {}
        self._folder, self._report = folder, report
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        (folder / "keys").mkdir(exist_ok=True)

    def report_progress(self, stage: str, done: int, total: int | None, message: str | None = None) -> None:
        """Pass it on to the callback."""
        if self._report is not None:
            self._report(stage, done, total, message)

    def store(self, name: str, role: str, media_type: str, data: bytes) -> str:
        """Store a file under its hash."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._place(self._folder / "blobs" / sha256, data)
        self.files[name] = self._folder / "blobs" / sha256
        return sha256

    def load(self, sha256: str) -> bytes:
        """The content under a hash."""
        return self.get_path(sha256).read_bytes()

    def get_cached(self, key: str) -> bytes | None:
        """What was kept under a key, None without it."""
        path = self._folder / "keys" / key
        return path.read_bytes() if path.is_file() else None

    def put_cached(self, key: str, data: bytes) -> None:
        """Keep it unless the key is taken."""
        self._place(self._folder / "keys" / key, data)

    def get_path(self, sha256: str) -> Path:
        """The file of a stored content."""
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
            # a link fails where the name is taken, so the first writer wins
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
    report: ProgressCallback | None = None,
    stopwatch: Stopwatch | None = None,
) -> DatasetVersion:
    """Make a dataset in the folder `out`, resuming from what the folder `work` holds; `key` signs it.

    Raises DatasetError; FileExistsError when `out` holds another version already.
    """
    workspace = FolderWorkspace(work, report)
    result = build_local_pipeline(workspace, components, settings, stopwatch).run(sources)
    engines = components.list_engines(None if components.objects is None else components.objects.info)
    written = write_version(workspace, result, settings, engines, version("maquette-server"))
    files = ((file.name, workspace.get_path(file.sha256)) for file in written.manifest.all_files())
    documents = render_documents(written, workspace.load)
    if not folders.publish_folder(out, written.manifest, chain(files, documents.items()), key=key):
        existing = Dataset(out).version
        if existing != written.manifest.version:
            raise FileExistsError(f"{out} holds another version already: {existing[:12]}")
    return written


def build_local_pipeline(
    workspace: Workspace,
    components: Components,
    settings: DatasetSettings,
    stopwatch: Stopwatch | None = None,
) -> Pipeline:
    """A pipeline whose stages all run in this process."""
    return Pipeline(LocalExecutor(workspace, components, settings, stopwatch), settings)
