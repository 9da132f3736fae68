"""A dataset folder as clips; every table is read on first use."""

import hashlib
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from workers.datasets import manifest, parquet
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import DatasetManifest, FileEntry
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES, AssetRow, ClipRow, SourceRow
from workers.datasets.spooled_rows import RowsByClip


class Dataset:
    """A dataset on disk; `version` is the sha256 of its manifest.

    `Dataset(folder)` raises DatasetError when the folder has no readable manifest.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.manifest: DatasetManifest = manifest.load(self.folder)
        data = (self.folder / manifest.MANIFEST).read_bytes()
        self.version = hashlib.sha256(data).hexdigest()
        self._clip_files: dict[tuple[str, str], FileEntry] = {}
        for name, files in self.manifest.tables.items():
            for file in files:
                if file.clip is not None:
                    self._clip_files[name, file.clip] = file
        self._by_clip: dict[str, RowsByClip[Any]] = {}
        self._lock = threading.Lock()

    @cached_property
    def sources(self) -> dict[str, SourceRow]:
        """Sources by hash."""
        return {row.source: row for row in self.rows("sources")}

    @cached_property
    def clip_rows(self) -> list[ClipRow]:
        """All clips, including rejected ones, in the order of sources and time."""
        return self.rows("clips")

    @cached_property
    def rows_by_clip(self) -> dict[str, ClipRow]:
        """The same by the ids of clips."""
        return {row.clip: row for row in self.clip_rows}

    def rows(self, table: str, clip: str | None = None) -> list[Any]:
        """All rows of a table, or those of one clip; raises DatasetError for a broken or missing file."""
        if table not in TABLES:
            raise DatasetError("dataset_incompatible", f"there is no table {table!r}")
        if clip is None:
            return list(self.iterate(table))
        if TABLES[table].per_clip:
            file = self._clip_files.get((table, clip))
            return [] if file is None else self.read_file(table, file)
        # exports read clips from several threads
        with self._lock:
            if table not in self._by_clip:
                self._by_clip[table] = RowsByClip(TABLES[table].row, self.iterate(table))
            return self._by_clip[table].get(clip)

    def iterate(self, table: str) -> Iterator[Any]:
        """All rows of a table in order, some thousand of them in memory at a time; raises DatasetError."""
        files = sorted(self.manifest.tables.get(table, ()), key=lambda file: file.name)
        return (row for file in files for row in parquet.iterate(TABLES[table].row, self._find(file)))

    def clips(self, split: str | None = None, *, rejected: bool = False) -> Iterator[SceneClip]:
        """The kept clips in order, of all splits or of one; `rejected` adds those that failed a gate."""
        for row in self.clip_rows:
            if (row.kept or rejected) and split in (None, row.split):
                yield self.open_clip(row)

    def clip(self, clip: str) -> SceneClip:
        """The clip of an id; raises KeyError."""
        return self.open_clip(self.rows_by_clip[clip])

    def find_file(self, table: str, clip: str) -> FileEntry | None:
        """The file of one clip in a table, None where it has none."""
        return self._clip_files.get((table, clip))

    def path(self, asset: AssetRow) -> Path:
        """The file of an asset."""
        return self.folder / Path(asset.file).name

    def __len__(self) -> int:
        return sum(row.kept for row in self.clip_rows)

    def __repr__(self) -> str:
        return f"<Dataset {self.version[:12]} {len(self)} clips in {self.folder}>"

    def read_file(self, table: str, file: FileEntry) -> list[Any]:
        """The rows of one file of a table; raises DatasetError."""
        return parquet.read(TABLES[table].row, self._find(file))

    def _find(self, file: FileEntry) -> Path:
        path = self.folder / Path(file.name).name
        if not path.is_file():
            raise DatasetError("dataset_broken", f"{file.name} is missing from {self.folder}")
        return path

    def open_clip(self, row: ClipRow) -> SceneClip:
        """The clip of a row; its tables are read when they are first used, and go with it."""
        return SceneClip(row, self.sources[row.source], lambda table: self.rows(table, row.clip))
