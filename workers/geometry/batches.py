"""Splitting vectorised work into batches of bounded memory."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def split_batches(counts: NDArray[np.int64], budget: int) -> list[slice]:
    """Slices of consecutive items whose `counts` (N,) add up to about `budget`; one item may exceed it."""
    group = np.cumsum(counts) // budget
    edges = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1, [len(counts)]])
    return [slice(int(a), int(b)) for a, b in pairwise(edges) if b > a]
