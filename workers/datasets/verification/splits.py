"""Whether splits leak: sources, groups, sessions and near-duplicates must each lie in one split."""

from collections import defaultdict
from collections.abc import Iterator

from workers.datasets.duplicate_clips import pair_near_duplicates
from workers.datasets.reader import Dataset
from workers.datasets.verification.violation import Violation


def check_splits(data: Dataset) -> Iterator[Violation]:
    """Everything that lies in more than one split."""
    splits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in data.clip_rows:
        splits["source", row.source].add(row.split)
        splits["split group", row.split_group].add(row.split)
        if row.session is not None:
            splits["session", row.session].add(row.split)
    for (kind, name), names in splits.items():
        if len(names) > 1:
            yield Violation("split_leak", name, f"one {kind} is in {', '.join(sorted(names))}")
    for later, earlier in pair_near_duplicates([row for row in data.clip_rows if row.kept]):
        if later.split != earlier.split:
            where = f"{later.clip} and {earlier.clip}"
            yield Violation("split_leak", where, f"near-duplicates in {later.split} and {earlier.split}")
