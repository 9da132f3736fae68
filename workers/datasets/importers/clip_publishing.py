"""Clips in memory as a dataset folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.datasets import parquet
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import DatasetManifest, FileEntry, describe_file
from workers.datasets.publishing import folders
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TABLES, LineageRow
from workers.datasets.stages.keys import hash_json, hash_rows
from workers.datasets.version import compute_totals

NO_POLICY = "none"
STAGE, VERSION = "import", "1"
# the tables of a clip that a SceneClip gives under another name, or that it is not asked for
CLIP_ATTRIBUTES = {"tracks": "all_tracks"}


def publish_clips(clips: Sequence[SceneClip], out: Path, importer: str) -> DatasetManifest:
    """Write clips to `out` as they are: no gate judged them.

    Raises DatasetError `dataset_conflict` when `out` holds something already.
    """
    rows: dict[str, list[Any]] = {name: [] for name in TABLES}
    rows["sources"] = list({clip.source.source: clip.source for clip in clips}.values())
    rows["sources"].sort(key=lambda row: row.source)
    rows["clips"] = [clip.row for clip in clips]
    files: dict[str, bytes | Path] = {}
    tables: dict[str, tuple[FileEntry, ...]] = dict.fromkeys(TABLES, ())
    for clip in clips:
        for name, table in TABLES.items():
            if name in ("sources", "clips"):
                continue
            mine = list(getattr(clip, CLIP_ATTRIBUTES.get(name, name)))
            if name == "lineage" and not mine:
                mine = [_lineage(clip, importer)]
            rows[name] += mine
            if table.per_clip and mine:
                tables[name] += (_store(files, f"{name}-{clip.id}.parquet", name, mine, clip.id),)
    for name, table in TABLES.items():
        if not table.per_clip:
            tables[name] = (_store(files, f"{name}.parquet", name, rows[name], None),)
    made = DatasetManifest(
        tables=tables,
        totals=compute_totals(rows, tables),
        parameters={"importer": importer},
        policy=NO_POLICY,
    )
    if not folders.publish_folder(out, made, files):
        raise DatasetError("dataset_conflict", f"{out} is not empty: a version is never changed")
    return made


def _lineage(clip: SceneClip, importer: str) -> LineageRow:
    """The importer is the only stage of a clip that came finished."""
    inputs, parameters = (clip.source.source,), {"importer": importer}
    made = hash_rows([*clip.frames, *clip.cameras, *clip.all_tracks, *clip.observations])
    key = hash_json([STAGE, VERSION, list(inputs), parameters])
    return LineageRow(
        clip=clip.id,
        stage=STAGE,
        key=key,
        inputs=inputs,
        code_version=VERSION,
        parameters=json.dumps(parameters),
        weights="{}",
        output=made,
    )


def _store(
    files: dict[str, bytes | Path], file: str, table: str, rows: Sequence[Any], clip: str | None
) -> FileEntry:
    data = parquet.write(TABLES[table].row, rows)
    files[file] = data
    return describe_file(file, data, rows=len(rows), clip=clip)
