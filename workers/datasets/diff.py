"""What changed from one version of a dataset to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from workers.datasets.manifest import DatasetManifest
from workers.datasets.reader import Dataset

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDiff:
    """Clips by id; `changed` have other files or another decision, `moved` are (clip, old, new split).

    `settings` are the names of the parameters that differ. `totals` and `rejected` are (before, after).
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    moved: tuple[tuple[str, str, str], ...]
    sources_added: tuple[str, ...]
    sources_removed: tuple[str, ...]
    settings: tuple[str, ...]
    totals: dict[str, tuple[float, float]]
    rejected: dict[str, tuple[int, int]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (
            self.added or self.removed or self.changed or self.moved or self.settings or self.sources_added
        )


def diff(before: Dataset, after: Dataset) -> DatasetDiff:
    """Compare two datasets by their content; names of files and order do not matter."""
    old = {row.clip: row for row in before.clip_rows}
    new = {row.clip: row for row in after.clip_rows}
    common = [clip for clip in new if clip in old]
    old_files, new_files = index_clip_files(before), index_clip_files(after)
    return DatasetDiff(
        added=tuple(clip for clip in new if clip not in old),
        removed=tuple(clip for clip in old if clip not in new),
        changed=tuple(
            clip
            for clip in common
            if old_files.get(clip) != new_files.get(clip) or old[clip].kept != new[clip].kept
        ),
        moved=tuple(
            (clip, old[clip].split, new[clip].split) for clip in common if old[clip].split != new[clip].split
        ),
        sources_added=tuple(sorted(after.sources.keys() - before.sources.keys())),
        sources_removed=tuple(sorted(before.sources.keys() - after.sources.keys())),
        settings=_list_changed_settings(before.manifest, after.manifest),
        totals=_list_changes(before.manifest.totals, after.manifest.totals),
        rejected=_list_changes(before.manifest.rejected, after.manifest.rejected),
    )


def index_clip_files(data: Dataset) -> dict[str, frozenset[tuple[str, str]]]:
    """The files of each clip, as (table, sha256)."""
    files: dict[str, set[tuple[str, str]]] = {}
    for table, entries in data.manifest.tables.items():
        for entry in entries:
            if entry.clip is not None:
                files.setdefault(entry.clip, set()).add((table, entry.sha256))
    return {clip: frozenset(entries) for clip, entries in files.items()}


def _list_changed_settings(before: DatasetManifest, after: DatasetManifest) -> tuple[str, ...]:
    old, new = before.parameters, after.parameters
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    if before.policy != after.policy:
        changed.add("policy")
    if before.engines != after.engines:
        changed.add("engines")
    return tuple(sorted(changed))


def _list_changes(
    before: Mapping[str, Number], after: Mapping[str, Number]
) -> dict[str, tuple[Number, Number]]:
    return {
        name: (before.get(name, 0), after.get(name, 0))
        for name in {*before, *after}
        if before.get(name, 0) != after.get(name, 0)
    }
