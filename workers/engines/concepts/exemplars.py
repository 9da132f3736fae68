"""Things that look like what is in the boxes that were drawn: the grid's candidates, chosen by appearance."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.appearance import bins_of, histogram, similarity
from workers.engines.concepts.handles import EmbeddedImage
from workers.engines.concepts.mobilesam import SIDE, View
from workers.engines.protocols import Mask, SegmentedInstance

# how alike the best positive must be, and by how much it must beat the best negative
ALIKE, MARGIN = 0.62, 0.03
# another size speaks against a candidate a little, and one sixth of it altogether
SMALLEST_RATIO, SIZE_WEIGHT = 1 / 6, 0.2
# the share of the smaller of two masks that makes them one thing
SAME = 0.5
CELLS = 64
Look = tuple[NDArray[np.float32], NDArray[np.float32], float]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A thing that was shown, in the image that it lies in."""

    image: EmbeddedImage
    thing: SegmentedInstance
    positive: bool


class Looks:
    """What masks of one image look like: the encoder's features and the colours under them."""

    def __init__(self, image: EmbeddedImage) -> None:
        self._view: View = image.views[0]
        self._bins = bins_of(image.image)
        embedding = self._view.embedding[0].reshape(256, -1)
        # without the image's own mean every two regions are alike
        self._features: NDArray[np.float32] = embedding - embedding.mean(axis=1, keepdims=True)

    def of(self, mask: Mask) -> Look:
        """Unit feature (256,), colour histogram, and area of a mask (H, W)."""
        rows = round(self._view.inner[0] * CELLS / SIDE)
        columns = round(self._view.inner[1] * CELLS / SIDE)
        size = (max(columns, 1), max(rows, 1))
        cells = np.zeros((CELLS, CELLS), np.float32)
        cells[: size[1], : size[0]] = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        feature = self._features @ cells.reshape(-1)
        feature /= max(float(np.linalg.norm(feature)), 1e-9)
        return feature, histogram(self._bins, mask), float(mask.sum())


def likeness(a: Look, b: Look) -> float:
    """How alike two looks are, 0..1: features and colours count the same."""
    ratio = min(a[2], b[2]) / max(a[2], b[2])
    if ratio < SMALLEST_RATIO:
        return 0.0
    same = 0.5 * max(0.0, float(a[0] @ b[0])) + 0.5 * similarity(a[1], b[1])
    return float(same * ratio**SIZE_WEIGHT)


def alike(
    image: EmbeddedImage, candidates: Sequence[SegmentedInstance], examples: Sequence[Example], least: float
) -> list[tuple[SegmentedInstance, float]]:
    """Candidates that look like a positive and less like every negative, with their likeness, best first."""
    looks = Looks(image)
    places = {id(image): looks}
    good: list[Look] = []
    bad: list[Look] = []
    for example in examples:
        place = places.setdefault(
            id(example.image), looks if example.image is image else Looks(example.image)
        )
        (good if example.positive else bad).append(place.of(example.thing.mask))
    chosen = []
    for item in candidates:
        look = looks.of(item.mask)
        fit = max(likeness(look, other) for other in good)
        against = max((likeness(look, other) for other in bad), default=0.0)
        if fit >= least and fit > against + MARGIN:
            chosen.append((item, fit))
    kept: list[tuple[SegmentedInstance, float]] = []
    for item, fit in sorted(chosen, key=lambda pair: -pair[1]):
        if all(_overlap(item.mask, other.mask) < SAME for other, _ in kept):
            kept.append((item, fit))
    return kept


def unlike(candidates: Sequence[SegmentedInstance], known: Sequence[Mask]) -> list[SegmentedInstance]:
    """Candidates that are not the known things again, nor a part of one, nor a group around one."""
    return [item for item in candidates if all(_overlap(item.mask, mask) < SAME for mask in known)]


def _overlap(a: Mask, b: Mask) -> float:
    return float((a & b).sum()) / max(1.0, min(float(a.sum()), float(b.sum())))
