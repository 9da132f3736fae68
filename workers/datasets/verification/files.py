"""Whether the files of a dataset are those of its manifest: signature, hashes, row counts and keys."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workers.datasets import manifest
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import FileEntry
from workers.datasets.reader import Dataset
from workers.datasets.schema import TABLES, TableSpec
from workers.datasets.verification.violation import Violation


def check_signature(folder: Path, key: str | None) -> Iterator[Violation]:
    """Whether the manifest is signed with `key`; nothing without a key."""
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


def check_file(folder: Path, entry: FileEntry) -> Iterator[Violation]:
    """Whether a file is there, with the size and hash of its entry."""
    path = folder / Path(entry.name).name
    if path.name != entry.name:
        yield Violation("file_missing", entry.name, "a file name must not contain a folder")
    elif not path.is_file():
        yield Violation("file_missing", entry.name, "listed in the manifest, not in the folder")
    elif path.stat().st_size != entry.bytes or _hash_file(path) != entry.sha256:
        yield Violation("file_changed", entry.name, "its content is not that of the manifest")


def check_unlisted(data: Dataset) -> Iterator[Violation]:
    """Parquet files in the folder that the manifest does not list."""
    listed = {entry.name for entry in data.manifest.all_files()}
    for path in sorted(data.folder.glob("*.parquet")):
        if path.name not in listed:
            yield Violation("file_unlisted", path.name, "in the folder, not listed in the manifest")


def check_tables(data: Dataset) -> Iterator[Violation]:
    """Row counts of all files, the clip of files that have one, and unique keys."""
    for name, table in TABLES.items():
        keys: set[tuple[Any, ...]] = set()
        for entry in data.manifest.tables.get(name, ()):
            try:
                rows = data.read_file(name, entry)
            except DatasetError as error:
                yield Violation(error.code, entry.name, error.detail)
                continue
            if len(rows) != entry.rows:
                detail = f"{len(rows)} rows, the manifest says {entry.rows}"
                yield Violation("rows_missing", entry.name, detail)
            if entry.clip is not None and any(row.clip != entry.clip for row in rows):
                yield Violation("reference_broken", entry.name, "it has rows of another clip")
            yield from _check_keys(table, entry, rows, keys)


def _check_keys(
    table: TableSpec, entry: FileEntry, rows: list[Any], keys: set[tuple[Any, ...]]
) -> Iterator[Violation]:
    """Whether no key of the rows is among `keys`, to which they are added."""
    if not table.key:
        return
    for row in rows:
        key = tuple(getattr(row, column) for column in table.key)
        if key in keys:
            yield Violation("key_twice", entry.name, f"{table.key} = {key}")
        keys.add(key)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
