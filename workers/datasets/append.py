"""Joining two versions into one: files as they are, splits assigned again so that nothing leaks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from workers.datasets import parquet, splits
from workers.datasets.diff import index_clip_files
from workers.datasets.documents import render_documents
from workers.datasets.duplicate_clips import pair_near_duplicates
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import DatasetManifest, FileEntry, describe_file
from workers.datasets.publishing.folders import publish_folder
from workers.datasets.reader import Dataset
from workers.datasets.schema import TABLES, ClipRow, SourceRow
from workers.datasets.summary import build_funnel, compute_totals, count_rejected
from workers.datasets.version import DatasetVersion


@dataclass
class _Files:
    """The files of the new version: entries by table, and contents by name."""

    tables: dict[str, tuple[FileEntry, ...]] = field(default_factory=dict)
    contents: dict[str, bytes | Path] = field(default_factory=dict)


def append(first: Dataset, second: Dataset, out: Path, *, key: str | None = None) -> DatasetVersion:
    """Write a version with the clips of both datasets to `out`; its parents are both versions.

    Sources that are now connected get the strictest split of their groups: what was held out stays held out.
    Raises DatasetError `dataset_conflict` when both have a clip with different content, and FileExistsError
    when `out` is not empty.
    """
    clips = _join_clip_rows(first, second)
    # versions of earlier releases were not grouped by name, and stay as they are
    group_by_name = all(data.manifest.parameters.get("group_by_name") for data in (first, second))
    known = {**second.sources, **first.sources}
    sources, clips = _assign_splits(known, clips, group_by_name=group_by_name)
    rows: dict[str, Sequence[Any]] = {"sources": sources, "clips": clips}
    files = _join_files(first, second, rows)
    for name, table in TABLES.items():
        if not table.per_clip and name not in rows:
            rows[name] = [
                row
                for entry in files.tables[name]
                for row in parquet.read(table.row, files.contents[entry.name])
            ]
    manifest = _build_manifest(first, second, files, rows)
    version = DatasetVersion(manifest, rows, build_funnel(rows), key is not None)
    by_hash = {entry.sha256: files.contents[entry.name] for entry in manifest.all_files()}
    documents = render_documents(version, lambda digest: _read_content(by_hash[digest]))
    if not publish_folder(out, manifest, {**files.contents, **documents}.items(), key=key):
        raise FileExistsError(f"{out} is not empty: a version is never changed, give a new folder")
    return version


def _join_clip_rows(first: Dataset, second: Dataset) -> list[ClipRow]:
    """The clips of `first`, then those that only `second` has."""
    known = {row.clip for row in first.clip_rows}
    first_files, second_files = index_clip_files(first), index_clip_files(second)
    for row in second.clip_rows:
        if row.clip in known and first_files.get(row.clip) != second_files.get(row.clip):
            raise DatasetError(
                "dataset_conflict",
                f"clip {row.clip} is in both and differs: it was made with other phrases, sizes or engines",
            )
    return [*first.clip_rows, *(row for row in second.clip_rows if row.clip not in known)]


def _assign_splits(
    sources: Mapping[str, SourceRow], clips: Sequence[ClipRow], *, group_by_name: bool
) -> tuple[list[SourceRow], list[ClipRow]]:
    """The rows with new groups and splits: sources of one group are connected, and so are near-duplicates."""
    links = [(later.source, earlier.source) for later, earlier in pair_near_duplicates(clips)]
    # groups of either dataset stay together, whatever connected them there
    links += [(row.source, row.split_group) for row in sources.values() if row.split_group in sources]
    sessions = {source: row.session for source, row in sources.items()}
    names = {source: row.name for source, row in sources.items()} if group_by_name else {}
    groups = splits.group_sources(sorted(sources), sessions, links, names)
    old_splits: dict[str, set[str]] = {}
    for source, row in sources.items():
        old_splits.setdefault(groups[source], set()).add(row.split)
    new_splits = {group: splits.strictest_split(old) for group, old in old_splits.items()}

    def assign(row: Any) -> Any:
        group = groups[row.source]
        return replace(row, split_group=group, split=new_splits[group])

    return [assign(row) for _, row in sorted(sources.items())], [assign(row) for row in clips]


def _join_files(first: Dataset, second: Dataset, rows: Mapping[str, Sequence[Any]]) -> _Files:
    """The files of both; `rows` are the tables that are written again."""
    files = _Files()
    for name, table in TABLES.items():
        if name in rows:
            data = parquet.write(table.row, rows[name])
            entry = describe_file(f"{name}.parquet", data, rows=len(rows[name]))
            files.tables[name], files.contents[entry.name] = (entry,), data
        else:
            files.tables[name] = _join_table(name, first, second, files.contents)
    for entry in _list_assets(first, second):
        path = first.folder / entry.name
        files.contents[entry.name] = path if path.is_file() else second.folder / entry.name
    return files


def _join_table(
    name: str, first: Dataset, second: Dataset, contents: dict[str, bytes | Path]
) -> tuple[FileEntry, ...]:
    """The files of a table, added to `contents`."""
    entries = {entry.name: entry for entry in first.manifest.tables.get(name, ())}
    contents |= {file: first.folder / file for file in entries}
    known = {row.clip for row in first.clip_rows}
    for entry in second.manifest.tables.get(name, ()):
        if entry.clip is not None:
            # a clip that both have has the same files in both
            entries.setdefault(entry.name, entry)
            contents.setdefault(entry.name, second.folder / entry.name)
            continue
        rows = [row for row in second.read_file(name, entry) if row.clip not in known]
        if rows:
            data = parquet.write(TABLES[name].row, rows)
            added = describe_file(f"{name}.parquet", data, rows=len(rows))
            added = replace(added, name=f"{name}-{added.sha256[:8]}.parquet")
            entries[added.name], contents[added.name] = added, data
    return tuple(entries.values())


def _build_manifest(
    first: Dataset, second: Dataset, files: _Files, rows: Mapping[str, Sequence[Any]]
) -> DatasetManifest:
    one, other = first.manifest, second.manifest
    parameters = dict(one.parameters)
    if parameters != dict(other.parameters):
        parameters = {"parts": [parameters, dict(other.parameters)]}
    engines = {repr(engine): engine for engine in (*one.engines, *other.engines)}
    return DatasetManifest(
        tables=files.tables,
        files=tuple(_list_assets(first, second)),
        totals=compute_totals(rows, files.tables),
        rejected=count_rejected(rows),
        unreadable={**other.unreadable, **one.unreadable},
        parameters=parameters,
        policy=_join_names(one.policy, other.policy),
        code_version=_join_names(one.code_version, other.code_version),
        engines=tuple(engines.values()),
        parents=(first.version, second.version),
    )


def _list_assets(first: Dataset, second: Dataset) -> Iterable[FileEntry]:
    return {entry.name: entry for part in (first, second) for entry in part.manifest.files}.values()


def _join_names(one: str, other: str) -> str:
    return one if one == other else f"{one}, {other}"


def _read_content(content: bytes | Path) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content
