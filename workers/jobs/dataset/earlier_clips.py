"""Clips that earlier jobs of the tenant have made of the same inputs, by the keys of their stages.

The stages of a clip are pure: where their keys are those of an earlier version of the same release, so are
its rows and files. Where only the bounds of gates differ, its stored scores are decided again. Nothing is
kept for this but the results of jobs, so what a tenant deletes is gone, and no tenant sees another's.
"""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from maquette.contract import Artefact, DatasetResult

from workers.datasets import manifest, parquet
from workers.datasets.captions.scoring import GATE as CAPTION_GATE
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import FileEntry, describe_file
from workers.datasets.reader import Dataset
from workers.datasets.records import ClipRecord
from workers.datasets.regating.clips import DIVIDED, regate_clip
from workers.datasets.regating.clips import STAGE as GATES
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import REVIEW_GATE, TABLES, LineageRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.stages.base import ClipStage
from workers.datasets.stages.keys import build_asset_key, hash_rows
from workers.datasets.stages.shards import OUTPUTS
from workers.datasets.tasks import ClipTask, ClipTasks
from workers.datasets.version import DatasetVersion
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.version_files import copy_files
from workers.jobs.dataset.workspace import JobWorkspace

# versions that are looked through: those with the most of the clips; chosen, not measured
MOST_JOBS = 8
# the stage by whose key clips are looked up: the costliest one, which does not depend on bounds of gates
LOOKED_UP = "tracks"
# tables of single clips that deciding again needs
READ_AGAIN = (*DIVIDED, "cameras")

Rows = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class _Version:
    """An earlier version whose tables of all clips lie in a folder, and its artefacts by name."""

    data: Dataset
    artefacts: Mapping[str, Artefact]
    lineage: Mapping[str, Mapping[str, LineageRow]]


class EarlierClips:
    """Finds records of clips; close it after use."""

    def __init__(
        self,
        context: JobContext,
        workspace: JobWorkspace,
        stages: Sequence[ClipStage],
        settings: DatasetSettings,
        release: str,
    ) -> None:
        self._context, self._workspace = context, workspace
        self._stages = {stage.name: stage for stage in stages if stage.name in OUTPUTS}
        self._settings, self._release = settings, release
        self._scratch = tempfile.TemporaryDirectory()
        self._versions: list[_Version] = []

    def __enter__(self) -> "EarlierClips":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.cleanup()

    def open(self, tasks: ClipTasks) -> None:
        """Load the versions that have the clips of some tasks."""
        wanted = {self._compute_key(task) for task in tasks}
        owners: dict[str, set[str]] = defaultdict(set)
        for result in self._context.find_results(wanted):
            owners[result.owner].add(result.key)
        while owners and len(self._versions) < MOST_JOBS:
            # the newest of those with the most that no open version has
            owner = max(owners, key=lambda owner: len(owners[owner] & wanted))
            if not owners[owner] & wanted:
                return
            version = self._load_version(owner)
            if version is not None:
                self._versions.append(version)
                by_hand = {row.clip for row in version.data.rows("decisions") if row.gate == REVIEW_GATE}
                wanted &= {
                    self._compute_key(task)
                    for task in tasks
                    if task.plan.id in by_hand or not self._list_changed(version, task) <= {GATES}
                }
            del owners[owner]

    def find(self, task: ClipTask) -> ClipRecord | None:
        """The record of a clip that was made of the same inputs; None where no open version has it."""
        for version in self._versions:
            changed = self._list_changed(version, task)
            if changed <= {GATES} and (record := self._take(version, task, is_regated=bool(changed))):
                return record
        return None

    def _compute_key(self, task: ClipTask) -> str:
        return self._stages[LOOKED_UP].key(task).digest()

    def _list_changed(self, version: _Version, task: ClipTask) -> set[str]:
        """The stages that a version ran on other inputs than those of a task, or not at all."""
        rows = version.lineage.get(task.plan.id, {})
        keys = {name: stage.key(task).digest() for name, stage in self._stages.items()}
        return {name for name, key in keys.items() if name not in rows or rows[name].key != key}

    def _load_version(self, owner: str) -> _Version | None:
        """The version of a job; None where it is gone, or another release made it."""
        folder = Path(self._scratch.name) / owner
        folder.mkdir()
        try:
            earlier = self._context.load_manifest(owner)
        except (JobProblem, OSError):
            return None
        artefacts = {artefact.name: artefact for artefact in earlier.artefacts}
        if not isinstance(earlier.result, DatasetResult) or manifest.MANIFEST not in artefacts:
            return None
        try:
            copy_files(self._context, [artefacts[manifest.MANIFEST]], folder)
            data = Dataset(folder)
            if data.manifest.code_version != self._release:
                return None
            shared = [name for name, table in TABLES.items() if not table.per_clip]
            entries = [entry for name in shared for entry in data.manifest.tables[name]]
            copy_files(self._context, [artefacts[entry.name] for entry in entries], folder)
            lineage: dict[str, dict[str, LineageRow]] = {}
            for row in data.rows("lineage"):
                lineage.setdefault(row.clip, {})[row.stage] = row
        except (DatasetError, OSError, KeyError):
            # it was deleted, or another release wrote it: nothing depends on it
            return None
        return _Version(data, artefacts, lineage)

    def _take(self, version: _Version, task: ClipTask, *, is_regated: bool) -> ClipRecord | None:
        data, clip_id = version.data, task.plan.id
        row = data.rows_by_clip[clip_id]
        files = {name: data.find_file(name, clip_id) for name, table in TABLES.items() if table.per_clip}
        shards = {name: entry for name, entry in files.items() if entry is not None}
        if not row.kept or not self._hold(version, shards.values()):
            return None
        if is_regated:
            needed = [version.artefacts[shards[name].name] for name in READ_AGAIN if name in shards]
            copy_files(self._context, needed, data.folder)
        clip = data.clip(clip_id)
        if any(row.gate == REVIEW_GATE for row in clip.decisions):
            # decided by hand for that version, and not for this job
            return None
        rows = _list_rows(clip)
        if is_regated:
            decided = self._decide(clip, rows, shards)
            if decided is None:
                return None
            rows, shards = decided
        # a stage that this job does not run leaves nothing
        if "changes" not in self._stages:
            shards.pop("changes", None)
        [own] = rows["clips"]
        flags = tuple(flag for flag in own.flags if flag != "assets_failed")
        own = replace(own, session=task.row.session, split=task.row.split, split_group=task.row.split_group)
        rows["clips"] = [replace(own, flags=flags)]
        rows["lineage"] = self._build_lineage(clip, task, rows)
        return ClipRecord(clip_id, shards, (), rows)

    def _hold(self, version: _Version, entries: Any) -> bool:
        """Keep the files of a clip for this job; False where one is gone."""
        for entry in entries:
            artefact = version.artefacts.get(entry.name)
            if artefact is None or not self._context.hold(artefact):
                return False
        return True

    def _decide(
        self, clip: SceneClip, rows: Rows, shards: Mapping[str, FileEntry]
    ) -> tuple[Rows, dict[str, FileEntry]] | None:
        """The rows and shards under this job's bounds; None where a plug-in would have to run."""
        policy = self._settings.policy
        regated = regate_clip(clip, policy.bounds)
        has_plugins = any(caption.kind == "engine" for caption in clip.all_captions)
        if regated.unavailable or (regated.tracks_changed and has_plugins):
            return None
        changed = {**rows, **{name: own for name, own in regated.rows.items() if not TABLES[name].per_clip}}
        changed["clips"] = [regated.row]
        changed["scores"] = [row for row in changed["scores"] if row.stage != "survey"]
        changed["decisions"] = [
            replace(row, policy=policy.name)
            for row in changed["decisions"]
            if row.track is not None or row.gate == CAPTION_GATE
        ]
        changed["assets"] = []
        kept = dict(shards)
        if regated.tracks_changed:
            for name in DIVIDED:
                kept.pop(name, None)
                if regated.rows.get(name):
                    kept[name] = self._store(clip.id, name, regated.rows[name])
        return changed, kept

    def _store(self, clip: str, table: str, rows: Sequence[Any]) -> FileEntry:
        data, name = parquet.write(TABLES[table].row, rows), f"{table}-{clip}.parquet"
        self._workspace.store(name, "table", parquet.MEDIA_TYPE, data)
        return describe_file(name, data, rows=len(rows), clip=clip)

    def _build_lineage(self, clip: SceneClip, task: ClipTask, rows: Rows) -> list[LineageRow]:
        """The rows that a run would write: its keys, and hashes over its rows."""
        old = {row.stage: row for row in rows["lineage"]}
        out = []
        for name, table in OUTPUTS.items():
            if name == "assets":
                key = build_asset_key(task.inputs, self._settings.seed, None)
                out.append(key.lineage(clip.id, hash_rows([])))
                continue
            if name not in self._stages:
                continue
            output = hash_rows(rows[table]) if table in rows else old[name].output
            out.append(self._stages[name].key(task).lineage(clip.id, output))
        return out


def record_clips(context: JobContext, written: DatasetVersion) -> None:
    """Let later jobs find the clips of a version."""
    [sha256] = [item.sha256 for item in context.artefacts if item.name == manifest.MANIFEST]
    lineage = written.rows["lineage"]
    context.put_results({row.key: sha256 for row in lineage if row.stage == LOOKED_UP})


def _list_rows(clip: SceneClip) -> Rows:
    """The rows that the stages of a clip add to tables of all clips, in their order."""
    return {
        "clips": [clip.row],
        "tracks": list(clip.all_tracks),
        "concepts": list(clip.concepts),
        "captions": list(clip.all_captions),
        "assets": [],
        "scores": [row for row in clip.scores if row.stage != "survey"],
        "decisions": [row for row in clip.decisions if row.track is not None or row.gate == CAPTION_GATE],
        "lineage": list(clip.lineage),
    }
