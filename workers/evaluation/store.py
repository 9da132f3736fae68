"""One file per answered sample, found again by everything that the answer depends on."""

import gzip
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.evaluation.benchmark import Record, Sample
from workers.evaluation.errors import LayoutError


@dataclass(frozen=True, slots=True)
class RecordStore:
    """Records below a folder; several processes may write to it at once.

    `context` is what all answers of a run depend on: the dataset, the engine with its weights, the settings.
    """

    folder: Path
    context: Mapping[str, Any]

    def get(self, sample: Sample) -> Record | None:
        """The record of a sample, None where none can be read; raises LayoutError for missing media."""
        path = self._path(sample)
        try:
            stored = json.loads(gzip.decompress(path.read_bytes()))
        except (OSError, EOFError, ValueError):
            return None
        record: Record = stored["record"]
        return record

    def has(self, sample: Sample) -> bool:
        """Whether a sample has a record, which is not read; raises LayoutError for missing media."""
        return self._path(sample).is_file()

    def put(self, sample: Sample, record: Record) -> None:
        """Keep a record; after a crash there is either all of it or nothing."""
        path = self._path(sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        text = json.dumps({"sample": sample.id, "record": record}, allow_nan=False)
        partial.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
        partial.replace(path)

    def _path(self, sample: Sample) -> Path:
        try:
            media = [(file.name, file.stat().st_size) for file in sample.files]
        except OSError as error:
            raise LayoutError(f"a file of sample {sample.id} is missing: {error.filename}") from None
        key = json.dumps([dict(self.context), sample.id, media], sort_keys=True, default=str)
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest}.json.gz"
