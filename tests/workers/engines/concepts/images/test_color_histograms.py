"""Colour histograms, against values worked out by hand."""

import numpy as np
import pytest

from workers.engines.concepts.images.color_histograms import (
    color_histogram,
    histogram_similarity,
    part_similarity,
    quantize_colors,
)
from workers.engines.protocols import Mask


def rectangle(height: int, width: int, box: tuple[int, int, int, int]) -> Mask:
    mask = np.zeros((height, width), np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def test_histograms_separate_colours_and_recognise_parts() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20], image[:, 20:] = (220, 30, 30), (30, 30, 220)
    bins = quantize_colors(image)
    left, right = rectangle(20, 40, (0, 0, 20, 20)), rectangle(20, 40, (20, 0, 40, 20))
    red, blue, both = (
        color_histogram(bins, left),
        color_histogram(bins, right),
        color_histogram(bins, left | right),
    )
    assert float(red.sum()) == pytest.approx(1, abs=1e-5)
    assert histogram_similarity(red, red) == pytest.approx(1, abs=1e-5)
    assert histogram_similarity(red, blue) < 0.05
    assert part_similarity(both, red, 0.5) == pytest.approx(1, abs=1e-5)
    assert part_similarity(blue, red, 0.5) < 0.05
    assert float(color_histogram(bins, np.zeros((20, 40), np.bool_)).sum()) == 0
