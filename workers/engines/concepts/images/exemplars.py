"""Objects that look like exemplars: candidates of the grid, selected by their appearance."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.images.color_histograms import (
    Histogram,
    color_histogram,
    histogram_similarity,
    quantize_colors,
)
from workers.engines.concepts.images.config import ExemplarConfig
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.images.mobilesam import CHANNELS, GRID_SIDE, INPUT_SIDE
from workers.engines.protocols import Mask, SegmentedInstance


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """An instance that was given as an example, positive or negative, and the image in which it lies."""

    image: EmbeddedImage
    instance: SegmentedInstance
    positive: bool


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """A mask's appearance: mean feature (256,) of unit length, colour histogram, and area in pixels."""

    feature: NDArray[np.float32]
    histogram: Histogram
    area: float


class AppearanceExtractor:
    """Measures the appearance of masks of one image, by the encoder's features and by colours."""

    def __init__(self, image: EmbeddedImage) -> None:
        self._embedding = image.embeddings[0]
        self._bins = quantize_colors(image.image)
        features = self._embedding.features[0].reshape(CHANNELS, -1)
        # without subtracting the image's mean feature, any two regions are alike
        self._features: NDArray[np.float32] = features - features.mean(axis=1, keepdims=True)

    def extract(self, mask: Mask) -> Appearance:
        """The appearance of a mask (H, W)."""
        height, width = (round(side * GRID_SIDE / INPUT_SIDE) for side in self._embedding.scaled_size)
        size = (max(width, 1), max(height, 1))
        cells = np.zeros((GRID_SIDE, GRID_SIDE), np.float32)
        cells[: size[1], : size[0]] = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        feature = self._features @ cells.reshape(-1)
        feature /= max(float(np.linalg.norm(feature)), 1e-9)
        return Appearance(feature, color_histogram(self._bins, mask), float(mask.sum()))


def appearance_similarity(a: Appearance, b: Appearance, config: ExemplarConfig) -> float:
    """How alike two appearances are, 0..1: features and colours count the same, different sizes lower it."""
    ratio = min(a.area, b.area) / max(a.area, b.area)
    if ratio < config.min_area_ratio:
        return 0.0
    features = max(0.0, float(a.feature @ b.feature))
    equal_size = 0.5 * features + 0.5 * histogram_similarity(a.histogram, b.histogram)
    return float(equal_size * ratio**config.area_ratio_exponent)


def select_similar(
    image: EmbeddedImage,
    candidates: Sequence[SegmentedInstance],
    exemplars: Sequence[Exemplar],
    threshold: float,
    config: ExemplarConfig,
) -> list[tuple[SegmentedInstance, float]]:
    """Candidates of an image that look like a positive exemplar and less like every negative, best first.

    Each comes with its similarity to the best positive, at least `threshold`; one per object. At least one
    exemplar must be positive.
    """
    extractors = {id(image): AppearanceExtractor(image)}
    positives: list[Appearance] = []
    negatives: list[Appearance] = []
    for exemplar in exemplars:
        if id(exemplar.image) not in extractors:
            extractors[id(exemplar.image)] = AppearanceExtractor(exemplar.image)
        appearance = extractors[id(exemplar.image)].extract(exemplar.instance.mask)
        (positives if exemplar.positive else negatives).append(appearance)
    selected: list[tuple[SegmentedInstance, float]] = []
    for candidate in candidates:
        appearance = extractors[id(image)].extract(candidate.mask)
        best = max(appearance_similarity(appearance, other, config) for other in positives)
        against = max((appearance_similarity(appearance, other, config) for other in negatives), default=0.0)
        if best >= threshold and best > against + config.negative_margin:
            selected.append((candidate, best))
    return _one_per_object(selected, config)


def _one_per_object(
    selected: list[tuple[SegmentedInstance, float]], config: ExemplarConfig
) -> list[tuple[SegmentedInstance, float]]:
    kept: list[tuple[SegmentedInstance, float]] = []
    for item, similarity in sorted(selected, key=lambda pair: -pair[1]):
        if all(overlap_share(item.mask, other.mask) < config.duplicate_overlap for other, _ in kept):
            kept.append((item, similarity))
    return kept


def exclude_known(
    candidates: Sequence[SegmentedInstance], known: Sequence[Mask], config: ExemplarConfig
) -> list[SegmentedInstance]:
    """Candidates that are neither a known mask again, nor a part of one, nor a group around one."""
    return [
        item
        for item in candidates
        if all(overlap_share(item.mask, mask) < config.duplicate_overlap for mask in known)
    ]


def overlap_share(a: Mask, b: Mask) -> float:
    """The intersection of two masks as a share of the smaller one."""
    return float((a & b).sum()) / max(1.0, min(float(a.sum()), float(b.sum())))
