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

# (2 * BINS**3,), sum 1: the colours of the upper and of the lower half, in half precision to save memory
PartHistogram = NDArray[np.float16]


def describe_halves(image: Rgb, mask: Mask) -> PartHistogram:
    """The colours of the upper and lower half of a mask (H, W) that is not empty.

    Every pixel counts in the bins around its colour by how near it is: a small change of light moves little.
    """
    rows, columns = np.nonzero(mask)
    middle = (int(rows[0]) + int(rows[-1]) + 1) // 2
    colors = cv2.cvtColor(image[rows, columns][None], cv2.COLOR_RGB2LAB)[0].astype(np.float32)
    histogram = np.stack([_count_colors(half) for half in (colors[rows < middle], colors[rows >= middle])])
    return np.asarray(histogram.ravel() / max(1, len(rows)), np.float16)


def _count_colors(colors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each LAB colour (N, 3) shared among the eight bins around it."""
    chroma = np.clip((colors[:, 1:] - 128) / CHROMA * 0.5 + 0.5, 0, 0.999)
    places = np.concatenate([colors[:, :1] / 255, chroma], axis=1) * BINS - 0.5
    below = np.floor(places).astype(np.int64)
    nearness = places - below
    counts = np.zeros(BINS**3)
    for corner in product((0, 1), repeat=3):
        weights = np.where(np.array(corner) == 1, nearness, 1 - nearness).prod(axis=1)
        cells = np.clip(below + corner, 0, BINS - 1)
        counts += np.bincount((cells[:, 0] * BINS + cells[:, 1]) * BINS + cells[:, 2], weights, BINS**3)
    return counts
