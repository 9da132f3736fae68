"""Unit quaternions without their largest component, as SPZ and SOG store them."""

import numpy as np
from numpy.typing import NDArray

# In a unit quaternion only the largest component can exceed this.
LIMIT = float(np.sqrt(0.5))


def drop_largest(
    quaternions: NDArray[np.float32] | NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The index of the largest component of each quaternion (N, 4), and the other three (N, 3) in order.

    Signs are chosen so that the dropped component is positive; whether w comes first is up to the caller.
    """
    unit = quaternions.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    largest = np.abs(unit).argmax(axis=1)
    rows = np.arange(len(unit))
    unit *= np.where(unit[rows, largest] < 0, -1.0, 1.0)[:, None]
    return largest, unit[_others(largest)].reshape(-1, 3)


def restore_largest(largest: NDArray[np.integer], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `drop_largest`: quaternions (N, 4) from `largest` (N,) and `rest` (N, 3)."""
    out = np.zeros((len(rest), 4))
    out[_others(largest)] = rest.reshape(-1)
    out[np.arange(len(rest)), largest] = np.sqrt(np.maximum(0.0, 1.0 - (rest * rest).sum(axis=1)))
    return out


def _others(largest: NDArray[np.integer]) -> NDArray[np.bool_]:
    return np.asarray(np.arange(4)[None, :] != largest[:, None], dtype=np.bool_)
