"""What an object looks like, as a colour histogram: to tell it from others and to find it again."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask, Rgb

LIGHTNESS, CHROMA = 8, 10
BINS = LIGHTNESS * CHROMA * CHROMA
FEW = 24

Histogram = NDArray[np.float32]
Bins = NDArray[np.int32]


def bins_of(image: Rgb) -> Bins:
    """The histogram bin of each pixel (H, W) of an RGB image: 8 steps of L, 10 of a, 10 of b."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.int32)
    chroma = np.clip((lab[..., 1:] - 88) // 8, 0, CHROMA - 1)
    return np.asarray((lab[..., 0] >> 5) * CHROMA**2 + chroma[..., 0] * CHROMA + chroma[..., 1])


def histogram(bins: Bins, mask: Mask) -> Histogram:
    """The colour histogram of a mask, smoothed over neighbouring bins, with sum 1 (or 0 when empty)."""
    counts = np.bincount(bins[mask], minlength=BINS).astype(np.float32)
    cube = counts.reshape(LIGHTNESS, CHROMA, CHROMA)
    for axis in range(3):
        padded = np.pad(cube, [(1, 1) if axis == other else (0, 0) for other in range(3)], mode="edge")
        before, after = (
            padded.take(range(cube.shape[axis]), axis),
            padded.take(range(2, cube.shape[axis] + 2), axis),
        )
        cube = 0.25 * before + 0.5 * cube + 0.25 * after
    total = float(cube.sum())
    return np.asarray(cube.ravel() / total if total else cube.ravel(), dtype=np.float32)


def similarity(a: Histogram, b: Histogram) -> float:
    """The Bhattacharyya coefficient of two histograms: 1 for equal, 0 for disjoint."""
    return float(np.sqrt(a * b).sum())


def part_similarity(whole: Histogram, part: Histogram, share: float) -> float:
    """How well `part` can be a `share` (0..1] of what has the histogram `whole`: 1 for a true part."""
    return float(np.minimum(share * part, whole).sum()) / share


def likelihood(bins: Bins, own: Histogram, others: Histogram) -> NDArray[np.float32]:
    """For each pixel, how much more its colour speaks for `own` than for `others`, 0..1."""
    ratio = own / (own + others + 1e-6)
    return np.asarray(ratio[bins], dtype=np.float32)


def locate(
    bins: Bins, look: Histogram, area: float, taken: Mask, least: float = 0.25
) -> list[tuple[Box, Mask]]:
    """Blobs outside `taken` whose colours fit an object of `area` pixels: the best three at most.

    A blob has at least the share `least` of the area.
    """
    free = ~taken
    scene = histogram(bins, free)
    ratio = likelihood(bins, look, scene) * free
    side = max(3, round(float(np.sqrt(area)) / 6) | 1)
    smooth = cv2.blur(ratio, (side, side))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (smooth > 0.5).astype(np.uint8), connectivity=8
    )
    found: list[tuple[float, Box, Mask]] = []
    sizes = stats[1:count, cv2.CC_STAT_AREA]
    for index in (np.argsort(-sizes, kind="stable")[:8] + 1).tolist():
        x, y, width, height, size = (int(value) for value in stats[index])
        if max(least * area, FEW) <= size <= 4 * area:
            blob = np.asarray(labels == index, dtype=np.bool_)
            fit = similarity(look, histogram(bins, blob))
            found.append((fit, (float(x), float(y), float(x + width), float(y + height)), blob))
    found.sort(key=lambda item: (-item[0], item[1]))
    return [(box, blob) for _, box, blob in found[:3]]
