"""The appearance of an object by halves: two people in dark jackets differ in their trousers.

On masks of people of a crowd, one to three seconds apart, the same one is more alike than another in 99.0% of
the pairs; one histogram of the complete mask has 98.5% (docs/benchmarks/datasets.md).
"""

from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Rgb

# bins of lightness and of each chroma axis, and grey levels of chroma on either side of grey; chosen
BINS, CHROMA = 8, 40
HALVES = 2
# pixels of a mask that are counted at least, where it has as many, evenly spread; chosen for speed
PIXELS = 2000

# (2 * BINS**3,), sum 1: the colours of the upper and of the lower half, in half precision to save memory
HalfHistograms = NDArray[np.float16]


def describe_halves(image: Rgb, mask: Mask) -> HalfHistograms:
    """The colours of the upper and lower half of a mask (H, W) that is not empty.

    Every pixel counts in the bins around its colour by how near it is: a small change of light moves little.
    """
    rows, columns = np.nonzero(mask)
    is_lower = rows >= (int(rows[0]) + int(rows[-1]) + 1) // 2
    chosen = slice(None, None, max(1, len(rows) // PIXELS))
    colors = cv2.cvtColor(image[rows[chosen], columns[chosen]][None], cv2.COLOR_RGB2LAB)[0]
    counts = _count_colors(colors.astype(np.float32), is_lower[chosen].astype(np.int64))
    return np.asarray(counts / len(colors), np.float16)


def _count_colors(colors: NDArray[np.float32], half: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each LAB colour (N, 3) of a half (N,) shared among the eight bins around it."""
    chroma = np.clip((colors[:, 1:] - 128) / CHROMA * 0.5 + 0.5, 0, 0.999)
    places = np.concatenate([colors[:, :1] / 255, chroma], axis=1) * BINS - 0.5
    below = np.floor(places)
    above = (places - below).T
    shares = 1 - above, above
    low = below.astype(np.int64).T
    cells = np.clip(low, 0, BINS - 1), np.clip(low + 1, 0, BINS - 1)
    counts = np.zeros(HALVES * BINS**3)
    for i, j, k in product((0, 1), repeat=3):
        bins = ((half * BINS + cells[i][0]) * BINS + cells[j][1]) * BINS + cells[k][2]
        counts += np.bincount(bins, shares[i][0] * shares[j][1] * shares[k][2], len(counts))
    return counts
