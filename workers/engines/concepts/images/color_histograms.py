"""Appearance as a colour histogram in CIELAB: to separate an object from others and to recognise it again."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Rgb

# bins of lightness and of each chroma axis; chosen, not measured
LIGHTNESS_BINS, CHROMA_BINS = 8, 10
BINS = LIGHTNESS_BINS * CHROMA_BINS * CHROMA_BINS

Histogram = NDArray[np.float32]
ColorBins = NDArray[np.int32]


def quantize_colors(image: Rgb) -> ColorBins:
    """The histogram bin of each pixel (H, W) of an RGB image: 8 steps of L, 10 of a, 10 of b."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.int32)
    chroma = np.clip((lab[..., 1:] - 88) // 8, 0, CHROMA_BINS - 1)
    lightness = (lab[..., 0] >> 5) * CHROMA_BINS**2
    return np.asarray(lightness + chroma[..., 0] * CHROMA_BINS + chroma[..., 1])


def color_histogram(bins: ColorBins, mask: Mask) -> Histogram:
    """The colour histogram of a mask, smoothed over neighbouring bins, with sum 1 (0 for an empty mask)."""
    counts = np.bincount(bins[mask], minlength=BINS).astype(np.float32)
    cube = counts.reshape(LIGHTNESS_BINS, CHROMA_BINS, CHROMA_BINS)
    for axis in range(3):
        padded = np.pad(cube, [(1, 1) if axis == other else (0, 0) for other in range(3)], mode="edge")
        before = padded.take(range(cube.shape[axis]), axis)
        after = padded.take(range(2, cube.shape[axis] + 2), axis)
        cube = 0.25 * before + 0.5 * cube + 0.25 * after
    total = float(cube.sum())
    return np.asarray(cube.ravel() / total if total else cube.ravel(), dtype=np.float32)


def histogram_similarity(a: Histogram, b: Histogram) -> float:
    """The Bhattacharyya coefficient of two histograms: 1 for equal, 0 for disjoint."""
    return float(np.sqrt(a * b).sum())


def part_similarity(whole: Histogram, part: Histogram, share: float) -> float:
    """How well `part` can be a `share` (0..1] of an object with the histogram `whole`: 1 for a true part."""
    return float(np.minimum(share * part, whole).sum()) / share


def color_likelihood(bins: ColorBins, own: Histogram, others: Histogram) -> NDArray[np.float32]:
    """For each pixel, how much more its colour speaks for `own` than for `others`, 0..1."""
    ratio = own / (own + others + 1e-6)
    return np.asarray(ratio[bins], dtype=np.float32)
