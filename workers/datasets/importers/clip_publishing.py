"""Clips in memory, written as a dataset folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.datasets import parquet
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import DatasetManifest, FileEntry, describe_file
from workers.datasets.publishing.folders import publish_folder
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES, LineageRow
from workers.datasets.stages.keys import hash_json, hash_rows
from workers.datasets.summary import compute_totals

NO_POLICY = "none"
STAGE, STAGE_VERSION = "import", "1"
# the attribute of SceneClip that has the rows of a table, where it is not called like the table
CLIP_ATTRIBUTES = {"tracks": "all_tracks", "captions": "all_captions"}
# one row per clip, or fewer; the others have rows of their own for every clip
SHARED_TABLES = ("sources", "clips")


def publish_clips(clips: Sequence[SceneClip], out: Path, importer: str) -> DatasetManifest:
    """Write clips to the folder `out` as they are, without gates.

    Raises DatasetError `dataset_conflict` when `out` is not empty.
    """
    sources = {clip.source.source: clip.source for clip in clips}
    rows: dict[str, list[Any]] = {name: [] for name in TABLES}
    rows["sources"] = sorted(sources.values(), key=lambda row: row.source)
    rows["clips"] = [clip.row for clip in clips]
    files: dict[str, bytes | Path] = {}
    tables: dict[str, tuple[FileEntry, ...]] = dict.fromkeys(TABLES, ())
    for clip in clips:
        for name, clip_rows in _list_rows(clip, importer).items():
            rows[name] += clip_rows
            if TABLES[name].per_clip and clip_rows:
                tables[name] += (_add_file(files, name, clip_rows, clip.id),)
    for name, table in TABLES.items():
        if not table.per_clip:
            tables[name] = (_add_file(files, name, rows[name]),)
    manifest = DatasetManifest(
        tables=tables,
        totals=compute_totals(rows, tables),
        parameters={"importer": importer},
        policy=NO_POLICY,
    )
    if not publish_folder(out, manifest, files.items()):
        raise DatasetError("dataset_conflict", f"{out} is not empty: a version is never changed")
    return manifest


def _list_rows(clip: SceneClip, importer: str) -> dict[str, list[Any]]:
    """The rows of a clip by table."""
    rows = {
        name: list(getattr(clip, CLIP_ATTRIBUTES.get(name, name)))
        for name in TABLES
        if name not in SHARED_TABLES
    }
    if not rows["lineage"]:
        rows["lineage"] = [_build_lineage_row(clip, importer)]
    return rows


def _build_lineage_row(clip: SceneClip, importer: str) -> LineageRow:
    """The importer as the only stage of a clip."""
    inputs, parameters = (clip.source.source,), {"importer": importer}
    return LineageRow(
        clip=clip.id,
        stage=STAGE,
        key=hash_json([STAGE, STAGE_VERSION, list(inputs), parameters]),
        inputs=inputs,
        code_version=STAGE_VERSION,
        parameters=json.dumps(parameters),
        weights="{}",
        output=hash_rows([*clip.frames, *clip.cameras, *clip.all_tracks, *clip.observations]),
    )


def _add_file(
    files: dict[str, bytes | Path], table: str, rows: Sequence[Any], clip: str | None = None
) -> FileEntry:
    """Add the Parquet file of some rows to `files`; return its entry."""
    name = f"{table}.parquet" if clip is None else f"{table}-{clip}.parquet"
    data = parquet.write(TABLES[table].row, rows)
    files[name] = data
    return describe_file(name, data, rows=len(rows), clip=clip)
