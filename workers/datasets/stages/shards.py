"""Writes the shards of a clip and the record that a later run resumes from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from workers.datasets import parquet
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.manifest import FileEntry
from workers.datasets.protocols import Workspace
from workers.datasets.records import ClipRecord
from workers.datasets.schema import TABLES, LineageRow
from workers.datasets.stages.base import ClipStage
from workers.datasets.stages.keys import build_asset_key, hash_rows
from workers.datasets.tasks import ClipTask

# the stages that `lineage` records, in its order, and the table whose rows are their output
OUTPUTS = {
    "cameras": "cameras",
    "tracks": "observations",
    "gates": "decisions",
    "boxes3d": "observations",
    "appearance": "features",
    "assets": "assets",
    "actions": "actions",
    "captions": "captions",
    "changes": "changes",
}


class ShardStage(ClipStage):
    """Adds `record`: stored shards of the tables of one clip, and rows of those of the complete dataset.

    `lineage` records the keys of `stages`. Assets are made later, of the clips that have any; until then
    their key is that of no engine.
    """

    name = "shards"
    version = "1"

    def __init__(self, workspace: Workspace, stages: Sequence[ClipStage], seed: int) -> None:
        self._workspace, self._stages, self._seed = workspace, tuple(stages), seed

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Store the shards; the same rows give the same bytes."""
        rows = {**batch.rows, "frames": batch.tracked.frames, "assets": []}
        shards = {
            name: self._store(batch.clip, name, rows[name])
            for name, table in TABLES.items()
            if table.per_clip and rows.get(name)
        }
        light = {name: list(rows[name]) for name in rows if not TABLES[name].per_clip}
        light["lineage"] = self._build_lineage(batch.task, rows)
        return replace(batch, record=ClipRecord(batch.clip, shards, (), light))

    def _store(self, clip: str, table: str, rows: Sequence[Any]) -> FileEntry:
        data = parquet.write(TABLES[table].row, rows)
        name = f"{table}-{clip}.parquet"
        sha256 = self._workspace.store(name, "table", parquet.MEDIA_TYPE, data)
        return FileEntry(name=name, sha256=sha256, bytes=len(data), rows=len(rows), clip=clip)

    def _build_lineage(self, task: ClipTask, rows: Mapping[str, Sequence[Any]]) -> list[LineageRow]:
        keys = {stage.name: stage.key(task) for stage in self._stages}
        keys["assets"] = build_asset_key(task.inputs, self._seed, None)
        return [
            keys[name].lineage(task.plan.id, hash_rows(rows[table]))
            for name, table in OUTPUTS.items()
            if name in keys
        ]
