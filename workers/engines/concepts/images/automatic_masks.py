"""All objects of an image: masks from a grid of points, kept once (Kirillov et al. 2023, appendix B)."""

from dataclasses import dataclass, replace

import numpy as np

from workers.engines.concepts.images.config import GridConfig, ImageConfig
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.images.mask_decoding import AMBIGUOUS, build_prompt
from workers.engines.concepts.images.mobilesam import (
    INPUT_SIDE,
    MASK_SIDE,
    Floats,
    ImageEmbedding,
    MobileSam,
)
from workers.engines.concepts.images.region_classifier import RegionClassifier
from workers.engines.concepts.masks import remove_specks
from workers.engines.protocols import Mask, SegmentedInstance
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou


@dataclass(frozen=True, slots=True)
class GridMask:
    """A mask of the grid: logits f32[256,256] of an embedding, the mask there, and two scores in 0..1."""

    logits: Floats
    mask: Mask
    quality: float
    stability: float


def generate_masks(sam: MobileSam, embedding: ImageEmbedding, config: GridConfig) -> list[GridMask]:
    """Masks of a grid of points, best first; a point on a mask that is known already is skipped."""
    height, width = embedding.image_size
    rows, columns = embedding.mask_extent
    inside = np.zeros((MASK_SIDE, MASK_SIDE), np.bool_)
    inside[:rows, :columns] = True
    covered = np.zeros((MASK_SIDE, MASK_SIDE), np.bool_)
    masks: list[GridMask] = []
    for row, column in _coarse_first(config.points_per_side):
        x, y = (column + 0.5) / config.points_per_side * width, (row + 0.5) / config.points_per_side * height
        if covered[_mask_cell(embedding, x, y)]:
            continue
        logits, scores = sam.decode(embedding, build_prompt(None, np.array([[x, y]]), np.ones(1, np.int64)))
        answers = [
            _confident_mask(logits[index], float(scores[index]), inside, config) for index in AMBIGUOUS
        ]
        confident = [mask for mask in answers if mask is not None]
        masks += confident
        if confident:
            # a group must not hide its members: only the smallest answer counts as covered
            covered |= min(confident, key=lambda item: int(item.mask.sum())).mask
    return _without_duplicates(masks, config)


def _mask_cell(embedding: ImageEmbedding, x: float, y: float) -> tuple[int, int]:
    """The (row, column) of an image point in the decoder's masks."""
    height, width = embedding.image_size
    rows, columns = (side * MASK_SIDE / INPUT_SIDE for side in embedding.scaled_size)
    return int(y / height * rows), int(x / width * columns)


def _confident_mask(logits: Floats, predicted: float, inside: Mask, config: GridConfig) -> GridMask | None:
    mask = np.asarray((logits > 0) & inside, dtype=np.bool_)
    share = mask.sum() / inside.sum()
    inner, outer = ((logits > 1) & inside).sum(), ((logits > -1) & inside).sum()
    stability = inner / outer if outer else 0.0
    if predicted < config.min_predicted_iou or stability < config.min_stability:
        return None
    if not config.min_area_share <= share <= config.max_area_share:
        return None
    return GridMask(logits, mask, float(min(predicted, 1.0) * stability), float(stability))


def _without_duplicates(masks: list[GridMask], config: GridConfig) -> list[GridMask]:
    kept: list[GridMask] = []
    for item in sorted(masks, key=lambda item: -item.quality):
        if all(mask_iou(item.mask, other.mask) < config.duplicate_iou for other in kept):
            kept.append(item)
    return kept[: config.max_masks]


def _coarse_first(size: int) -> list[tuple[int, int]]:
    """The places (row, column) of a grid, every third one first: large objects come before their parts."""
    places = [(row, column) for row in range(size) for column in range(size)]
    return sorted(places, key=lambda place: (place[0] % 3 != 1 or place[1] % 3 != 1, place))


def generate_instances(sam: MobileSam, image: EmbeddedImage, config: GridConfig) -> list[SegmentedInstance]:
    """All masks of the grid as instances without labels; the score is the mask's quality."""
    embedding = image.embeddings[0]
    out = []
    for item in generate_masks(sam, embedding, config):
        mask = remove_specks(np.asarray(sam.upsample(embedding, item.logits) > 0, dtype=np.bool_))
        if mask.any():
            flags = truncation_flags(mask)
            box = bounding_box(mask)
            out.append(SegmentedInstance(mask, box, item.quality, 0, None, flags, item.stability))
    return out


def find_other_objects(
    sam: MobileSam,
    classifier: RegionClassifier,
    image: EmbeddedImage,
    known: list[SegmentedInstance],
    *,
    prompt: int,
    threshold: float,
    config: ImageConfig,
) -> list[SegmentedInstance]:
    """Instances of the grid besides the `known` ones, with ImageNet names where one is probable.

    The score is the mask's quality, at least `threshold`; `name_weak` flags a name that is not certain.
    `prompt` is the index of the phrase that asked for them.
    """
    masks = [item.mask for item in known]
    out: list[SegmentedInstance] = []
    for item in generate_instances(sam, image, config.grid):
        is_known = any(mask_iou(item.mask, other) >= config.grid.duplicate_iou for other in masks)
        if item.score < threshold or is_known:
            continue
        name, probability = classifier.classify(image.image, item.mask)
        is_weak = name is not None and probability < config.naming.sure_probability
        flags = ("name_weak", *item.flags) if is_weak else item.flags
        out.append(replace(item, prompt=prompt, label=name, flags=flags))
        masks.append(item.mask)
    return out
