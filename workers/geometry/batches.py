"""Cutting vectorised work into pieces of bounded memory."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def batches(counts: NDArray[np.int64], budget: int) -> list[slice]:
    """Consecutive items whose `counts` (N,) add up to about `budget`; one item alone may exceed it."""
    group = np.cumsum(counts) // budget
    edges = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1, [len(counts)]])
    return [slice(int(a), int(b)) for a, b in pairwise(edges) if b > a]
