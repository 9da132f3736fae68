"""The share of a picture that lines of text cover: letters are strokes of one colour that stand on a line.

Patches brighter or darker than one of some levels may be letters when they are small, of one colour, stand
out from their surroundings, and are neither solid nor hollow. A line is a row of five or more that are alike,
most of which stand on one straight line: stones, leaves and bricks do not. It reads nothing, and finds no
handwriting and no line that is tilted by more than some degrees.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIDE = 640
WINDOW = 31
# levels by which strokes stand out, and their middles; by which letters of one line differ
STRONG = 30
SAME_COLOUR, SPREAD = 16, 25
SOLID = 0.72
# of brightness; each is looked at from both sides
LEVELS = (120, 160, 200, 230)
LEAST_HEIGHT, MOST_HEIGHT = 6, 90
LEAST_LETTERS = 5
ON_LINE = 0.6
MOST_PATCHES = 2000


def measure_text_area(image: NDArray[np.uint8]) -> float:
    """The share of an RGB picture (H, W, 3) under boxes of lines of text, 0 to 1."""
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = image if scale == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    difference = cv2.subtract(luma, cv2.blur(luma, (WINDOW, WINDOW)), dtype=cv2.CV_16S)
    covered = np.zeros(luma.shape, np.uint8)
    for level in LEVELS:
        for sign, patches in ((1, luma > level), (-1, luma < 255 - level)):
            for x0, y0, x1, y1 in _lines(*_letters(patches.astype(np.uint8), sign * difference, luma)):
                covered[y0:y1, x0:x1] = 1
    return float(covered.mean())


def _letters(
    patches: NDArray[np.uint8], difference: NDArray[np.int16], luma: NDArray[np.uint8]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Of the patches that may be letters: boxes (N, 4) xyxy, colours (N,), and how solid they are (N,)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(patches, connectivity=8)
    x, y, w, h, area = stats.T
    fill = area / np.maximum(w * h, 1)
    fine = (h >= LEAST_HEIGHT) & (h <= MOST_HEIGHT) & (w <= 2 * h) & (w * 10 >= h)
    fine &= (fill > 0.15) & (fill < 0.95)
    strong = np.flatnonzero((difference.ravel() > STRONG) & (patches.ravel() > 0))
    where, values = labels.ravel()[strong], luma.ravel()[strong].astype(np.float64)
    number = np.bincount(where, minlength=count)
    fine &= number >= 0.5 * area
    fine[0] = False
    mean = np.bincount(where, values, count) / np.maximum(number, 1)
    spread = np.bincount(where, values * values, count) / np.maximum(number, 1) - mean * mean
    fine &= spread <= SPREAD**2
    chosen = np.flatnonzero(fine)[:MOST_PATCHES]
    return np.stack([x, y, x + w, y + h], 1)[chosen], mean[chosen], fill[chosen]


def _lines(boxes: NDArray[Any], colours: NDArray[Any], fill: NDArray[Any]) -> list[tuple[int, int, int, int]]:
    """Boxes of rows of letters that are alike and stand on one height."""
    if len(boxes) < LEAST_LETTERS:
        return []
    x0, y0, x1, y1 = (boxes[:, index] for index in range(4))
    tall = (y1 - y0).astype(np.float64)
    low, high = np.minimum(tall[:, None], tall), np.maximum(tall[:, None], tall)
    overlap = np.minimum(y1[:, None], y1) - np.maximum(y0[:, None], y0)
    gap = np.maximum(x0[:, None], x0) - np.minimum(x1[:, None], x1)
    near = (overlap >= 0.6 * low) & (high <= 2 * low) & (gap <= high) & (gap >= -0.3 * low)
    near &= np.abs(colours[:, None] - colours) <= SAME_COLOUR
    a, b = np.nonzero(near)
    graph = coo_array((np.ones(len(a)), (a, b)), shape=near.shape)
    groups = np.asarray(connected_components(graph, directed=False)[1])
    found = []
    for group in np.flatnonzero(np.bincount(groups) >= LEAST_LETTERS):
        mine = np.flatnonzero(groups == group)
        if np.median(fill[mine]) > SOLID:
            continue
        height = float(np.median(tall[mine]))
        line = _standing(x0[mine], y1[mine].astype(np.float64), max(1.0, 0.08 * height))
        if line < max(ON_LINE * len(mine), LEAST_LETTERS - 1):
            continue
        box = int(x0[mine].min()), int(y0[mine].min()), int(x1[mine].max()), int(y1[mine].max())
        if box[3] - box[1] <= 2.2 * height and box[2] - box[0] >= 2 * height:
            found.append(box)
    return found


def _standing(x: NDArray[Any], feet: NDArray[np.float64], within: float) -> int:
    """How many of a row's feet are on one straight line through two of them, which may tilt a little."""
    order = np.argsort(x)
    x, feet = x[order].astype(np.float64), feet[order]
    best = int((np.abs(feet - np.median(feet)) <= within).sum())
    for other in range(1, min(len(x), 6)):
        for one in range(len(x) - other):
            run = x[one + other] - x[one]
            tilt = (feet[one + other] - feet[one]) / run if run > 0 else 0.0
            if abs(tilt) <= 0.1:
                best = max(best, int((np.abs(feet - feet[one] - tilt * (x - x[one])) <= within).sum()))
    return best
