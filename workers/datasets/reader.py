"""A dataset folder as clips; pure Python over arro3, nothing is loaded before it is asked for."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from workers.datasets import manifest, parquet
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import DatasetManifest, FileEntry
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES, AssetRow, ClipRow, SourceRow


class Dataset:
    """A dataset on disk; `version` is the hash of its manifest.

    `Dataset(folder)` raises DatasetError when the folder holds none.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.manifest: DatasetManifest = manifest.load(self.folder)
        data = (self.folder / manifest.MANIFEST).read_bytes()
        self.version = hashlib.sha256(data).hexdigest()
        self._shards: dict[tuple[str, str], FileEntry] = {}
        for name, files in self.manifest.tables.items():
            for file in files:
                if file.clip is not None:
                    self._shards[name, file.clip] = file
        self._grouped: dict[str, dict[str, list[Any]]] = {}

    @cached_property
    def sources(self) -> dict[str, SourceRow]:
        """Sources by hash."""
        return {row.source: row for row in self.rows("sources")}

    @cached_property
    def clip_rows(self) -> list[ClipRow]:
        """Every clip, the rejected ones too, in the order of sources and time."""
        return self.rows("clips")

    def rows(self, table: str, clip: str | None = None) -> list[Any]:
        """All rows of a table, or those of one clip; raises DatasetError for a broken or missing file."""
        if table not in TABLES:
            raise DatasetError("dataset_incompatible", f"no table is called {table!r}")
        if clip is None:
            found = []
            for file in sorted(self.manifest.tables.get(table, ()), key=lambda file: file.name):
                found += self.read(table, file)
            return found
        if TABLES[table].per_clip:
            shard = self._shards.get((table, clip))
            return [] if shard is None else self.read(table, shard)
        if table not in self._grouped:
            grouped: dict[str, list[Any]] = defaultdict(list)
            for row in self.rows(table):
                grouped[row.clip].append(row)
            self._grouped[table] = grouped
        return self._grouped[table].get(clip, [])

    def clips(self, split: str | None = None, *, rejected: bool = False) -> Iterator[SceneClip]:
        """The kept clips in order, or those of one split; `rejected` adds those that failed a gate."""
        for row in self.clip_rows:
            if (row.kept or rejected) and split in (None, row.split):
                yield self._clip(row)

    def clip(self, clip: str) -> SceneClip:
        """One clip; raises KeyError."""
        for row in self.clip_rows:
            if row.clip == clip:
                return self._clip(row)
        raise KeyError(clip)

    def path(self, asset: AssetRow) -> Path:
        """The file of an asset."""
        return self.folder / Path(asset.file).name

    def __len__(self) -> int:
        return sum(row.kept for row in self.clip_rows)

    def __repr__(self) -> str:
        return f"<Dataset {self.version[:12]} {len(self)} clips in {self.folder}>"

    def _clip(self, row: ClipRow) -> SceneClip:
        def load(table: str) -> list[Any]:
            return self.rows(table, row.clip)

        return SceneClip(row, self.sources[row.source], load)

    def read(self, table: str, file: FileEntry) -> list[Any]:
        """The rows of one file of a table; raises DatasetError."""
        path = self.folder / Path(file.name).name
        if not path.is_file():
            raise DatasetError("dataset_broken", f"{file.name} is missing from {self.folder}")
        return parquet.read(TABLES[table].row, path)
