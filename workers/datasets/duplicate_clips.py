"""Near-duplicates among the clips of a dataset, by the signatures that their rows have."""

from collections.abc import Sequence

import numpy as np

from workers.datasets.schema import ClipRow
from workers.datasets.shots.near_duplicates import find_neighbours, parse_signature


def pair_near_duplicates(clips: Sequence[ClipRow]) -> list[tuple[ClipRow, ClipRow]]:
    """Pairs of clips of different shots that are near-duplicates, the later one first."""
    numbers: dict[tuple[str, int], int] = {}
    shots = np.array([numbers.setdefault((row.source, row.shot), len(numbers)) for row in clips], np.int64)
    signatures = np.array([parse_signature(row.signature) for row in clips], np.uint64).reshape(-1, 3)
    return [(clips[later], clips[earlier]) for later, earlier in find_neighbours(shots, signatures).links]
