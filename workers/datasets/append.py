"""Two versions to one: shards as they are, splits made again so that nothing leaks between the parts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workers.datasets import parquet, splits
from workers.datasets.documents import render_documents
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import DatasetManifest, FileEntry, describe_file
from workers.datasets.publishing import folders
from workers.datasets.reader import Dataset
from workers.datasets.schema import TABLES, ClipRow, SourceRow
from workers.datasets.shots import near_duplicates
from workers.datasets.version import DatasetVersion, build_funnel, compute_totals, count_rejected

REMADE = ("sources", "clips")


def append(first: Dataset, second: Dataset, out: Path, *, key: str | None = None) -> DatasetVersion:
    """Write a version with the clips of both to `out`; its parents are both versions.

    A group of sources that now hang together gets the strictest split of its members: what was held out stays
    held out. Raises DatasetError `dataset_conflict` when both have a clip and made something else of it, and
    FileExistsError when `out` holds something already.
    """
    kept = _clips(first, second)
    sources, clips = _split({**second.sources, **first.sources}, kept)
    remade: dict[str, Sequence[Any]] = {"sources": sources, "clips": clips}
    files: dict[str, bytes | Path] = {}
    tables: dict[str, tuple[FileEntry, ...]] = {}
    for name, table in TABLES.items():
        if name in remade:
            data = parquet.write(table.row, remade[name])
            file = describe_file(f"{name}.parquet", data, rows=len(remade[name]))
            tables[name], files[file.name] = (file,), data
            continue
        tables[name] = _tables(name, first, second, files)
    assets = {file.name: file for part in (first, second) for file in part.manifest.files}
    files |= {name: _where(name, first, second) for name in assets}
    rows = _rows(remade, tables, files)
    made = DatasetManifest(
        tables=tables,
        files=tuple(assets.values()),
        totals=compute_totals(rows, tables),
        rejected=count_rejected(rows),
        parameters=_both("parameters", first, second),
        policy=_names(first.manifest.policy, second.manifest.policy),
        code_version=_names(first.manifest.code_version, second.manifest.code_version),
        engines=tuple(
            {repr(item): item for part in (first, second) for item in part.manifest.engines}.values()
        ),
        parents=(first.version, second.version),
    )
    written = DatasetVersion(made, rows, build_funnel(rows, tables), key is not None)
    blobs = {file.sha256: files[file.name] for file in made.all_files()}
    files |= render_documents(written, lambda digest: _bytes(blobs[digest]))
    if not folders.publish_folder(out, made, files, key=key):
        raise FileExistsError(f"{out} is there already: a version is never changed, give a new folder")
    return written


def _clips(first: Dataset, second: Dataset) -> list[ClipRow]:
    mine = {row.clip: row for row in first.clip_rows}
    for row in second.clip_rows:
        if row.clip in mine and _shards(first, row.clip) != _shards(second, row.clip):
            raise DatasetError(
                "dataset_conflict",
                f"clip {row.clip} is in both and differs: it was made with other phrases, sizes or engines",
            )
    return [*first.clip_rows, *(row for row in second.clip_rows if row.clip not in mine)]


def _shards(data: Dataset, clip: str) -> set[tuple[str, str]]:
    return {
        (name, file.sha256)
        for name, files in data.manifest.tables.items()
        for file in files
        if file.clip == clip
    }


def _split(
    sources: Mapping[str, SourceRow], clips: Sequence[ClipRow]
) -> tuple[list[SourceRow], list[ClipRow]]:
    numbers: dict[tuple[str, int], int] = {}
    shots = np.array([numbers.setdefault((row.source, row.shot), len(numbers)) for row in clips], np.int64)
    signatures = np.array(
        [near_duplicates.parse_signature(row.signature) for row in clips], np.uint64
    ).reshape(-1, 3)
    near = near_duplicates.find_neighbours(shots, signatures)
    links = [(clips[a].source, clips[b].source) for a, b in near.links]
    # groups of a part stay together, whatever linked them there
    links += [(row.source, row.split_group) for row in sources.values() if row.split_group in sources]
    sessions = {source: row.session for source, row in sources.items()}
    groups = splits.group_sources(sorted(sources), sessions, links)
    members: dict[str, set[str]] = {}
    for source, row in sources.items():
        members.setdefault(groups[source], set()).add(row.split)
    where = {source: splits.strictest_split(members[group]) for source, group in groups.items()}
    return (
        [
            replace(row, split_group=groups[source], split=where[source])
            for source, row in sorted(sources.items())
        ],
        [replace(row, split_group=groups[row.source], split=where[row.source]) for row in clips],
    )


def _tables(
    name: str, first: Dataset, second: Dataset, files: dict[str, bytes | Path]
) -> tuple[FileEntry, ...]:
    found = {file.name: file for file in first.manifest.tables.get(name, ())}
    files |= {file: first.folder / file for file in found}
    known = {row.clip for row in first.clip_rows}
    for file in second.manifest.tables.get(name, ()):
        if file.clip is not None:
            # a shard of a clip that both have is the same shard
            found.setdefault(file.name, file)
            files.setdefault(file.name, second.folder / file.name)
            continue
        rows = [row for row in second.read(name, file) if row.clip not in known]
        if rows:
            data = parquet.write(TABLES[name].row, rows)
            digest = hashlib.sha256(data).hexdigest()
            made = describe_file(f"{name}-{digest[:8]}.parquet", data, rows=len(rows))
            found[made.name], files[made.name] = made, data
    return tuple(found.values())


def _rows(
    remade: Mapping[str, Sequence[Any]],
    tables: Mapping[str, Sequence[FileEntry]],
    files: Mapping[str, bytes | Path],
) -> dict[str, Sequence[Any]]:
    rows: dict[str, Sequence[Any]] = dict(remade)
    for name, table in TABLES.items():
        if not table.per_clip and name not in remade:
            rows[name] = [row for file in tables[name] for row in parquet.read(table.row, files[file.name])]
    return rows


def _both(name: str, first: Dataset, second: Dataset) -> dict[str, Any]:
    one, other = dict(getattr(first.manifest, name)), dict(getattr(second.manifest, name))
    return one if one == other else {"parts": [one, other]}


def _names(one: str, other: str) -> str:
    return one if one == other else f"{one}, {other}"


def _where(name: str, first: Dataset, second: Dataset) -> Path:
    path = first.folder / name
    return path if path.is_file() else second.folder / name


def _bytes(content: bytes | Path) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content
