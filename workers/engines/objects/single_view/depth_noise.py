"""How noisy a depth map is."""

import numpy as np
from numpy.typing import NDArray

from workers.geometry.boxes import mask_extent

Array = NDArray[np.float64]
# Of normally distributed numbers the standard deviation is this times the median deviation; that of a value
# minus the mean of its two neighbours is larger by the root of 1.5.
MAD_TO_DEVIATION, SECOND_DIFFERENCE = 1.4826, float(np.sqrt(1.5))


def estimate_noise(depth: NDArray[np.float32], own: NDArray[np.bool_]) -> float:
    """The standard deviation of single values of a map (H, W); infinity for one value everywhere.

    Measured at the pixels `own` (H, W), of which there are some, on how each value differs from its
    neighbours' mean, and on the steps between values.
    """
    values = depth[own].astype(np.float64)
    steps = np.diff(np.unique(values))
    if not len(steps):
        return np.inf
    x0, y0, x1, y1 = mask_extent(own)
    known = np.where(own, depth, np.nan)[y0:y1, x0:x1]
    bends = np.concatenate(
        [_bend(known[:, :-2], known[:, 1:-1], known[:, 2:]), _bend(known[:-2], known[1:-1], known[2:])]
    )
    bent = float(np.median(bends)) * MAD_TO_DEVIATION / SECOND_DIFFERENCE if len(bends) else 0.0
    # values between two steps are off by up to half of one
    quantised = float(np.median(steps)) / float(np.sqrt(12))
    return max(bent, quantised)


def _bend(before: Array, here: Array, after: Array) -> Array:
    """How far known values lie from the mean of the one before and the one after."""
    bend = np.abs(here - (before + after) / 2)
    return np.asarray(bend[np.isfinite(bend)], dtype=np.float64)
