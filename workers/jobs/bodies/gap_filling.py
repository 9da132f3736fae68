"""Fills short gaps between frames with a body by interpolation; longer gaps stay open."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workers.jobs.bodies.smoothing import slerp

Floats = NDArray[np.float64]
# State of a frame of a track.
OPEN, ESTIMATED, FILLED = 0, 1, 2
# Slack of the limit in seconds, for the rounding of times.
TOLERANCE = 1e-6


def fill_gaps(
    seconds: Floats, estimated: NDArray[np.bool_], rotations: Floats, positions: Floats, limit: float
) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """States (T,), and rotations (T, J, 4) and positions (T, 3) with the short gaps filled.

    `estimated` (T,) marks frames with a body. A gap is measured from the last frame with a body to the next;
    up to `limit` seconds, rotations are interpolated by SLERP and positions linearly. Open frames are NaN.
    """
    state = np.where(estimated, ESTIMATED, OPEN).astype(np.uint8)
    filled_rotations, filled_positions = rotations.copy(), positions.copy()
    filled_rotations[~estimated], filled_positions[~estimated] = np.nan, np.nan
    for a, b in pairwise(np.flatnonzero(estimated)):
        if b - a < 2 or seconds[b] - seconds[a] > limit + TOLERANCE:
            continue
        inner = np.arange(a + 1, b)
        share = (seconds[inner] - seconds[a]) / (seconds[b] - seconds[a])
        first, last = np.broadcast_arrays(rotations[a][None], rotations[b][None])
        filled_rotations[inner] = slerp(
            first, last, np.broadcast_to(share[:, None], (len(inner), rotations.shape[1]))
        )
        filled_positions[inner] = positions[a] + share[:, None] * (positions[b] - positions[a])
        state[inner] = FILLED
    return state, filled_rotations, filled_positions


def find_spans(state: NDArray[np.uint8]) -> list[slice]:
    """The maximal runs of frames that are not open, in order."""
    closed = np.concatenate([[False], state != OPEN, [False]])
    edges = np.flatnonzero(closed[1:] != closed[:-1])
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
