"""Frames without a body: short gaps are filled between their neighbours, longer ones stay open."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workers.jobs.bodies.smoothing import slerp

Floats = NDArray[np.float64]
# What a frame of a track is.
OPEN, ESTIMATED, FILLED = 0, 1, 2
TOLERANCE = 1e-6


def fill_gaps(
    seconds: Floats, found: NDArray[np.bool_], rotations: Floats, positions: Floats, limit: float
) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """States (T,), and rotations (T, J, 4) and positions (T, 3) with the short gaps filled.

    A gap counts from the last frame with a body to the next; up to `limit` seconds its rotations are put in
    by SLERP and its positions along a line. What stays open is NaN.
    """
    state = np.where(found, ESTIMATED, OPEN).astype(np.uint8)
    turned, placed = rotations.copy(), positions.copy()
    turned[~found], placed[~found] = np.nan, np.nan
    places = np.flatnonzero(found)
    for a, b in pairwise(places):
        if b - a < 2 or seconds[b] - seconds[a] > limit + TOLERANCE:
            continue
        inner = np.arange(a + 1, b)
        share = (seconds[inner] - seconds[a]) / (seconds[b] - seconds[a])
        first, last = np.broadcast_arrays(rotations[a][None], rotations[b][None])
        turned[inner] = slerp(first, last, np.broadcast_to(share[:, None], (len(inner), rotations.shape[1])))
        placed[inner] = positions[a] + share[:, None] * (positions[b] - positions[a])
        state[inner] = FILLED
    return state, turned, placed


def find_spans(state: NDArray[np.uint8]) -> list[slice]:
    """The longest runs of frames that are not open, in order."""
    closed = np.concatenate([[False], state != OPEN, [False]])
    edges = np.flatnonzero(closed[1:] != closed[:-1])
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
