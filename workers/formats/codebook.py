"""A table of 256 values that approximates many: one-dimensional k-means."""

import numpy as np
from numpy.typing import NDArray

SIZE = 256
# Lloyd's iterations; chosen, not measured.
ROUNDS = 20


def codebook(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """256 ascending float32 values (256,) for `values` (M,), M at least 1; exact for up to 256 distinct ones.

    Half of the initial entries are quantiles of the values, half are even over their range, so that rare
    extremes keep an entry nearby; Lloyd's iterations then lower the mean squared error.
    """
    ordered = np.sort(values.astype(np.float32).astype(np.float64))
    distinct = ordered[np.concatenate([[True], np.diff(ordered) > 0])]
    if len(distinct) <= SIZE:
        return np.concatenate([distinct, np.full(SIZE - len(distinct), distinct[-1])]).astype(np.float32)
    half = SIZE // 2
    quantiles = ordered[((np.arange(half) + 0.5) * len(ordered) / half).astype(np.int64)]
    centres = np.sort(np.concatenate([quantiles, np.linspace(ordered[0], ordered[-1], half)]))
    cumulative = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(ROUNDS):
        inner = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        bounds = np.concatenate([[0], inner, [len(ordered)]])
        counts = np.diff(bounds)
        centres = np.where(counts > 0, np.diff(cumulative[bounds]) / np.maximum(counts, 1), centres)
    return centres.astype(np.float32)


def nearest(table: NDArray[np.float32], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The index of the entry of an ascending table (256,) nearest to each value, in the shape of `values`."""
    entries = table.astype(np.float64)
    return np.searchsorted((entries[1:] + entries[:-1]) / 2, values).astype(np.uint8)
