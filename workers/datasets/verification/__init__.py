"""Whether a dataset folder is what its manifest says, and whether its rows agree with each other."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.datasets import manifest
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import FileEntry
from workers.datasets.reader import Dataset
from workers.datasets.schema import TABLES
from workers.datasets.verification.clips import check_clip
from workers.datasets.verification.splits import check_splits

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that is wrong: a stable code, where, and what."""

    code: str
    where: str
    detail: str


def verify(
    folder: Path, *, key: str | None = None, told: Callable[[int, int], None] = lambda done, total: None
) -> list[Violation]:
    """Everything that is wrong with a dataset; an empty list is a sound one.

    Codes: file_missing, file_changed, file_unlisted, rows_missing, key_twice, reference_broken,
    frame_missing, picture_broken, mask_outside_box, mask_broken, box_outside_frame, pose_broken,
    decision_contradicted, split_leak, unsigned. Raises DatasetError when there is no readable manifest.
    """
    data = Dataset(folder)
    found = list(_signature(folder, key))
    for file in data.manifest.all_files():
        found += _file(folder, file)
    if found and any(item.code.startswith("file_") for item in found):
        # rows of changed files would only repeat what is known
        return found
    found += _unlisted(data)
    found += _tables(data)
    lost = [row for row in data.clip_rows if row.source not in data.sources]
    if lost:
        found += [Violation("reference_broken", r.clip, f"no source {r.source[:12]}") for r in lost]
        return found
    found += [Violation(*item) for item in check_splits(data)]
    clips = list(data.clips(rejected=True))
    for done, clip in enumerate(clips):
        told(done, len(clips))
        try:
            found += [Violation(*item) for item in check_clip(data, clip)]
        except DatasetError as error:
            found.append(Violation(error.code, clip.id, error.detail))
    return found


def _signature(folder: Path, key: str | None) -> Iterator[Violation]:
    if key is None:
        return
    path = folder / manifest.SIGNATURE
    if not path.is_file():
        yield Violation("unsigned", manifest.SIGNATURE, "the dataset has no signature")
        return
    try:
        manifest.check_signature((folder / manifest.MANIFEST).read_bytes(), path.read_bytes(), key)
    except DatasetError as error:
        yield Violation("unsigned", manifest.SIGNATURE, error.detail)


def _file(folder: Path, file: FileEntry) -> Iterator[Violation]:
    path = folder / Path(file.name).name
    if path.name != file.name:
        yield Violation("file_missing", file.name, "names of files have no folders")
    elif not path.is_file():
        yield Violation("file_missing", file.name, "listed in the manifest, not in the folder")
    elif path.stat().st_size != file.bytes or _sha256(path) != file.sha256:
        yield Violation("file_changed", file.name, "its bytes are not those the manifest was made of")


def _unlisted(data: Dataset) -> Iterator[Violation]:
    listed = {file.name for file in data.manifest.all_files()}
    for path in sorted(data.folder.glob("*.parquet")):
        if path.name not in listed:
            yield Violation("file_unlisted", path.name, "in the folder, not listed in the manifest")


def _tables(data: Dataset) -> Iterator[Violation]:
    for name, table in TABLES.items():
        keys: set[tuple[Any, ...]] = set()
        for file in data.manifest.tables.get(name, ()):
            try:
                rows = data.read(name, file)
            except DatasetError as error:
                yield Violation(error.code, file.name, error.detail)
                continue
            if len(rows) != file.rows:
                yield Violation("rows_missing", file.name, f"{len(rows)} rows, the manifest says {file.rows}")
            if file.clip is not None and any(row.clip != file.clip for row in rows):
                yield Violation("reference_broken", file.name, "holds rows of another clip")
            for row in rows if table.key else ():
                key = tuple(getattr(row, column) for column in table.key)
                if key in keys:
                    yield Violation("key_twice", file.name, f"{table.key} = {key}")
                keys.add(key)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
