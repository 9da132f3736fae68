"""Everything in an image: a grid of clicks, sure answers kept once (after Kirillov et al. 2023, app. B)."""

from dataclasses import dataclass, replace

import numpy as np

from workers.engines.concepts.consensus import prompt_of
from workers.engines.concepts.handles import EmbeddedImage
from workers.engines.concepts.masks import tidy
from workers.engines.concepts.mobilesam import LOW, SIDE, Floats, MobileSam, View
from workers.engines.concepts.naming import SURE as NAME_SURE
from workers.engines.concepts.naming import Namer
from workers.engines.protocols import Mask, SegmentedInstance
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

GRID = 12
SURE, STABLE, DUPLICATE = 0.84, 0.88, 0.6
SMALLEST, LARGEST = 0.001, 0.85
MOST = 100


@dataclass(frozen=True, slots=True)
class Blob:
    """A mask as logits f32[256,256] of a view, its quality in 0..1, and its pixels among the view's own."""

    logits: Floats
    quality: float
    low: Mask
    stability: float


def blobs(sam: MobileSam, view: View) -> list[Blob]:
    """Masks of a 12 x 12 grid of clicks, best first; a click on a mask that is known already is left out."""
    height, width = view.size
    inside = np.zeros((LOW, LOW), np.bool_)
    inside[: round(view.inner[0] * LOW / SIDE), : round(view.inner[1] * LOW / SIDE)] = True
    covered = np.zeros((LOW, LOW), np.bool_)
    found: list[Blob] = []
    for row, column in _coarse_first(GRID):
        x, y = (column + 0.5) / GRID * width, (row + 0.5) / GRID * height
        place = int(y / height * view.inner[0] * LOW / SIDE), int(x / width * view.inner[1] * LOW / SIDE)
        if covered[place]:
            continue
        prompt = prompt_of(None, np.array([[x, y]]), np.ones(1, np.int64))
        masks, scores = sam.decode(view, prompt)
        answers = [_blob(masks[index], float(scores[index]), inside) for index in (1, 2, 3)]
        sure = [blob for blob in answers if blob is not None]
        found += sure
        if sure:
            # a group must not hide its members: only the smallest answer is done with
            covered |= min(sure, key=lambda blob: int(blob.low.sum())).low
    return _once(found)


def _blob(logits: Floats, predicted: float, inside: Mask) -> Blob | None:
    low = np.asarray((logits > 0) & inside, dtype=np.bool_)
    share = low.sum() / inside.sum()
    firm, loose = ((logits > 1) & inside).sum(), ((logits > -1) & inside).sum()
    stability = firm / loose if loose else 0.0
    if predicted < SURE or stability < STABLE or not SMALLEST <= share <= LARGEST:
        return None
    return Blob(logits, float(min(predicted, 1.0) * stability), low, float(stability))


def _once(found: list[Blob]) -> list[Blob]:
    kept: list[Blob] = []
    for blob in sorted(found, key=lambda item: -item.quality):
        if all(mask_iou(blob.low, other.low) < DUPLICATE for other in kept):
            kept.append(blob)
    return kept[:MOST]


def _coarse_first(size: int) -> list[tuple[int, int]]:
    """Places of a grid, every third one first, so that large things are met before their parts."""
    places = [(row, column) for row in range(size) for column in range(size)]
    return sorted(places, key=lambda place: (place[0] % 3 != 1 or place[1] % 3 != 1, place))


def candidates(sam: MobileSam, image: EmbeddedImage) -> list[SegmentedInstance]:
    """All that the grid finds, without names; the score is the mask's quality."""
    view = image.views[0]
    out = []
    for blob in blobs(sam, view):
        mask = tidy(np.asarray(sam.upsample(view, blob.logits) > 0, dtype=np.bool_))
        if mask.any():
            flags = truncation_flags(mask)
            out.append(
                SegmentedInstance(mask, bounding_box(mask), blob.quality, 0, None, flags, blob.stability)
            )
    return out


def further(
    sam: MobileSam,
    namer: Namer,
    image: EmbeddedImage,
    known: list[SegmentedInstance],
    prompt: int,
    least: float,
) -> list[SegmentedInstance]:
    """What the grid finds beside the `known` instances, with ImageNet names where one is likely.

    The score is the mask's quality; `name_weak` tells a name with a probability below 0.6.
    """
    taken = [item.mask for item in known]
    out: list[SegmentedInstance] = []
    for item in candidates(sam, image):
        if item.score < least or any(mask_iou(item.mask, other) >= DUPLICATE for other in taken):
            continue
        name, probability = namer.name(image.image, item.mask)
        weak = ("name_weak",) if name is not None and probability < NAME_SURE else ()
        out.append(replace(item, prompt=prompt, label=name, flags=(*weak, *item.flags)))
        taken.append(item.mask)
    return out
