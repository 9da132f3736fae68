"""What changed from one version to another."""

from dataclasses import dataclass

from workers.datasets.reader import Dataset


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """Clips by id; `changed` have other shards or were judged otherwise, `moved` are in another split."""

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
        """Nothing changed."""
        return not (
            self.added or self.removed or self.changed or self.moved or self.settings or self.sources_added
        )


def diff(before: Dataset, after: Dataset) -> DatasetDiff:
    """Compare two datasets by what they hold; file names and order do not matter."""
    old = {row.clip: row for row in before.clip_rows}
    new = {row.clip: row for row in after.clip_rows}
    both = [clip for clip in new if clip in old]
    a, b = before.manifest, after.manifest
    settings = sorted(
        {key for key in {*a.parameters, *b.parameters} if a.parameters.get(key) != b.parameters.get(key)}
        | ({"policy"} if a.policy != b.policy else set())
        | ({"engines"} if a.engines != b.engines else set())
    )
    shards_old, shards_new = _shards(before), _shards(after)
    return DatasetDiff(
        tuple(clip for clip in new if clip not in old),
        tuple(clip for clip in old if clip not in new),
        tuple(
            clip
            for clip in both
            if shards_old.get(clip) != shards_new.get(clip) or old[clip].kept != new[clip].kept
        ),
        tuple((c, old[c].split, new[c].split) for c in both if old[c].split != new[c].split),
        tuple(sorted(after.sources.keys() - before.sources.keys())),
        tuple(sorted(before.sources.keys() - after.sources.keys())),
        tuple(settings),
        {
            key: (a.totals.get(key, 0), b.totals.get(key, 0))
            for key in {*a.totals, *b.totals}
            if a.totals.get(key, 0) != b.totals.get(key, 0)
        },
        {
            key: (a.rejected.get(key, 0), b.rejected.get(key, 0))
            for key in {*a.rejected, *b.rejected}
            if a.rejected.get(key, 0) != b.rejected.get(key, 0)
        },
    )


def _shards(data: Dataset) -> dict[str, frozenset[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for table, files in data.manifest.tables.items():
        for file in files:
            if file.clip is not None:
                found.setdefault(file.clip, set()).add((table, file.sha256))
    return {clip: frozenset(files) for clip, files in found.items()}
