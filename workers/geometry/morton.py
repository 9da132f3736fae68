"""Sorting points along a Z-order curve (Morton 1966), so that neighbours in space are close in a file."""

import numpy as np
from numpy.typing import NDArray

BITS = 16
# Shifts and masks that double the gaps between bits, until two zeros follow each bit.
SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


def morton_order(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The stable order (N,) of points (N, 3) along the curve in their bounding box, with 16 bits per axis."""
    low = points.min(axis=0)
    side = np.maximum(points.max(axis=0) - low, 1e-300)
    cells = np.rint((points - low) / side * (2**BITS - 1)).astype(np.uint64)
    code = np.zeros(len(points), dtype=np.uint64)
    for axis in range(3):
        bits = cells[:, axis]
        for shift, mask in SPREAD:
            bits = (bits | bits << np.uint64(shift)) & np.uint64(mask)
        code |= bits << np.uint64(axis)
    return np.argsort(code, kind="stable")
