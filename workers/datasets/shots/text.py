"""The share of an image that lines of text cover: letters are strokes of one colour that stand on a line.

Patches brighter or darker than one of some levels may be letters when they are small, of one colour, stand
out from their surroundings, and are neither solid nor hollow. A line is a row of five or more that are
alike, most of which stand on one straight line; stones, leaves and bricks do not. This reads nothing, and
finds no handwriting and no line that is tilted by more than a few degrees.

Thresholds were chosen on the images of tests/workers/datasets/gates/test_text.py, which states what they
reach; none was tuned alone.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# pixels of the longer side at which text is searched
SIDE = 640
# pixels of the surroundings that a letter stands out from
WINDOW = 31
# grey levels by which the middle of a stroke stands out
STRONG = 30
# grey levels by which letters of one line differ, and the standard deviation within a letter
SAME_COLOUR, SPREAD = 16, 25
# share of its box that a letter covers; a row whose median is above SOLID is bricks or stones
LEAST_FILL, MOST_FILL, SOLID = 0.15, 0.95, 0.72
# share of a patch that is strong
STRONG_SHARE = 0.5
# grey levels; patches are taken above each, and below its mirror
LEVELS = (120, 160, 200, 230)
# pixels of a letter's height
LEAST_HEIGHT, MOST_HEIGHT = 6, 90
# width over height of a letter at most, and height over width
WIDEST, SLIMMEST = 2, 10
LEAST_LETTERS = 5
# of the smaller of two letters: by how much they overlap in height, and how far apart they may lie
OVERLAP, CLOSEST = 0.6, -0.3
# share of a row's letters that stand on one line
ON_LINE = 0.6
# of a letter's height: how far off the line its foot may be
OFF_LINE = 0.08
# slope of a line of text at most
MOST_TILT = 0.1
# heights of letters that a line's box is tall at most and wide at least
TALLEST_LINE, SHORTEST_LINE = 2.2, 2.0
# patches per level, which bounds the time for busy images
MOST_PATCHES = 2000


def measure_text_area(image: NDArray[np.uint8]) -> float:
    """The share of an RGB image (H, W, 3) under boxes of lines of text, 0 to 1."""
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = image if scale == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    difference = cv2.subtract(luma, cv2.blur(luma, (WINDOW, WINDOW)), dtype=cv2.CV_16S)
    covered = np.zeros(luma.shape, np.uint8)
    for level in LEVELS:
        for sign, patches in ((1, luma > level), (-1, luma < 255 - level)):
            letters = _find_letters(patches.astype(np.uint8), sign * difference, luma)
            for x0, y0, x1, y1 in _find_lines(*letters):
                covered[y0:y1, x0:x1] = 1
    return float(covered.mean())


def _find_letters(
    patches: NDArray[np.uint8], difference: NDArray[np.int16], luma: NDArray[np.uint8]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Boxes (N, 4) xyxy, grey levels (N,) and filled shares (N,) of the patches that may be letters."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(patches, connectivity=8)
    x, y, w, h, area = stats.T
    fill = area / np.maximum(w * h, 1)
    fits = (h >= LEAST_HEIGHT) & (h <= MOST_HEIGHT) & (w <= WIDEST * h) & (w * SLIMMEST >= h)
    fits &= (fill > LEAST_FILL) & (fill < MOST_FILL)
    strong = np.flatnonzero((difference.ravel() > STRONG) & (patches.ravel() > 0))
    where, values = labels.ravel()[strong], luma.ravel()[strong].astype(np.float64)
    number = np.bincount(where, minlength=count)
    fits &= number >= STRONG_SHARE * area
    fits[0] = False
    mean = np.bincount(where, values, count) / np.maximum(number, 1)
    variance = np.bincount(where, values * values, count) / np.maximum(number, 1) - mean * mean
    fits &= variance <= SPREAD**2
    chosen = np.flatnonzero(fits)[:MOST_PATCHES]
    return np.stack([x, y, x + w, y + h], 1)[chosen], mean[chosen], fill[chosen]


def _find_lines(
    boxes: NDArray[Any], colours: NDArray[Any], fill: NDArray[Any]
) -> list[tuple[int, int, int, int]]:
    """Boxes of rows of letters that are alike and stand on one line."""
    if len(boxes) < LEAST_LETTERS:
        return []
    x0, y0, x1, y1 = (boxes[:, index] for index in range(4))
    heights = (y1 - y0).astype(np.float64)
    groups = _group_neighbours(boxes, heights, colours)
    lines = []
    for group in np.flatnonzero(np.bincount(groups) >= LEAST_LETTERS):
        own = np.flatnonzero(groups == group)
        if np.median(fill[own]) > SOLID:
            continue
        height = float(np.median(heights[own]))
        standing = _count_standing(x0[own], y1[own].astype(np.float64), max(1.0, OFF_LINE * height))
        if standing < max(ON_LINE * len(own), LEAST_LETTERS - 1):
            continue
        box = int(x0[own].min()), int(y0[own].min()), int(x1[own].max()), int(y1[own].max())
        if box[3] - box[1] <= TALLEST_LINE * height and box[2] - box[0] >= SHORTEST_LINE * height:
            lines.append(box)
    return lines


def _group_neighbours(
    boxes: NDArray[Any], heights: NDArray[np.float64], colours: NDArray[Any]
) -> NDArray[Any]:
    """A group number (N,) per letter: neighbours of like height, level and colour are in one group."""
    x0, y0, x1, y1 = (boxes[:, index] for index in range(4))
    low, high = np.minimum(heights[:, None], heights), np.maximum(heights[:, None], heights)
    overlap = np.minimum(y1[:, None], y1) - np.maximum(y0[:, None], y0)
    gap = np.maximum(x0[:, None], x0) - np.minimum(x1[:, None], x1)
    near = (overlap >= OVERLAP * low) & (high <= 2 * low) & (gap <= high) & (gap >= CLOSEST * low)
    near &= np.abs(colours[:, None] - colours) <= SAME_COLOUR
    a, b = np.nonzero(near)
    graph = coo_array((np.ones(len(a)), (a, b)), shape=near.shape)
    return np.asarray(connected_components(graph, directed=False)[1])


def _count_standing(x: NDArray[Any], feet: NDArray[np.float64], within: float) -> int:
    """How many of a row's feet lie on one straight line through two of them, which may tilt a little."""
    order = np.argsort(x)
    x, feet = x[order].astype(np.float64), feet[order]
    best = int((np.abs(feet - np.median(feet)) <= within).sum())
    for other in range(1, min(len(x), 6)):
        for one in range(len(x) - other):
            run = x[one + other] - x[one]
            tilt = (feet[one + other] - feet[one]) / run if run > 0 else 0.0
            if abs(tilt) <= MOST_TILT:
                best = max(best, int((np.abs(feet - feet[one] - tilt * (x - x[one])) <= within).sum()))
    return best
