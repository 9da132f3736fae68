"""Whether splits leak: groups, sessions and near-duplicates stay whole."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from workers.datasets.reader import Dataset
from workers.datasets.shots import near_duplicates

Problem = tuple[str, str, str]


def check_splits(data: Dataset) -> Iterator[Problem]:
    """What straddles splits, as (code, where, detail)."""
    whole: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in data.clip_rows:
        whole["source", row.source].add(row.split)
        whole["split group", row.split_group].add(row.split)
        if row.session is not None:
            whole["session", row.session].add(row.split)
    for (kind, name), found in whole.items():
        if len(found) > 1:
            yield "split_leak", name, f"one {kind} is in {', '.join(sorted(found))}"
    rows = [row for row in data.clip_rows if row.kept]
    if not rows:
        return
    numbers: dict[tuple[str, int], int] = {}
    shots = np.array([numbers.setdefault((r.source, r.shot), len(numbers)) for r in rows], np.int64)
    signatures = np.stack([near_duplicates.parse_signature(row.signature) for row in rows])
    for a, b in near_duplicates.find_neighbours(shots, signatures).links:
        if rows[a].split != rows[b].split:
            where = f"{rows[a].clip} and {rows[b].clip}"
            yield "split_leak", where, f"near-duplicates in {rows[a].split} and {rows[b].split}"
