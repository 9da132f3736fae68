"""Correcting points on a known mask: the smallest change of the mask that obeys the points."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.images.config import MaskDecodingConfig
from workers.engines.concepts.images.mask_decoding import Proposal, build_prompt
from workers.engines.concepts.images.mobilesam import (
    INPUT_SIDE,
    MASK_SIDE,
    DecoderPrompt,
    Floats,
    ImageEmbedding,
    MobileSam,
)
from workers.engines.concepts.masks import mask_area
from workers.engines.protocols import Mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

Points = NDArray[np.float64]
Labels = NDArray[np.int64]


def correct_mask(
    sam: MobileSam,
    embedding: ImageEmbedding,
    known: Mask,
    points: Points,
    labels: Labels,
    config: MaskDecodingConfig,
) -> Proposal:
    """The candidate that obeys most points (N, 2) with labels (N,), then the one most like the mask (H, W).

    Its quality is the predicted IoU times the share of points that it obeys. Raises ValueError without
    points.
    """
    if not len(points):
        raise ValueError("a mask is corrected by at least one point")
    height, width = embedding.mask_extent
    scale = np.array(embedding.scaled_size) / np.array(embedding.image_size) * MASK_SIDE / INPUT_SIDE
    rows = np.clip((points[:, 1] * scale[0]).astype(int), 0, height - 1)
    columns = np.clip((points[:, 0] * scale[1]).astype(int), 0, width - 1)
    prior = sam.prior_logits(embedding, known)
    before = np.asarray(prior[:height, :width] > 0, dtype=np.bool_)
    was_inside = before[rows, columns]
    grows = bool((~was_inside & (labels == 1)).any())
    shrinks = bool((was_inside & (labels == 0)).any())
    best: tuple[float, float, Floats] | None = None
    for prompt, given in _prompts(known, points, labels, prior):
        masks, scores = sam.decode(embedding, prompt, given)
        for logits, score in zip(masks, np.clip(scores, 0, 1).tolist(), strict=True):
            mask = np.asarray(logits[:height, :width] > 0, dtype=np.bool_)
            obeyed = float((mask[rows, columns] == (labels == 1)).mean())
            likeness = _change_score(mask, before, grows, shrinks, config.correction_iou_exponent)
            value = obeyed * len(points) + _stability(logits) * score * likeness
            if best is None or value > best[0]:
                best = value, score * obeyed, logits
    if best is None:
        raise RuntimeError("the decoder returned no mask")
    full = sam.upsample(embedding, best[2])
    return replace(Proposal.from_logits(full, 1.0), quality=best[1])


def _change_score(mask: Mask, before: Mask, grows: bool, shrinks: bool, exponent: float) -> float:
    """How much of the change the points ask for, 0..1.

    A mask that has to grow may grow as long as it holds what was known; one that has to shrink may shrink as
    long as it stays within what was known.
    """
    iou, common = mask_iou(mask, before), mask_area(mask & before)
    if not grows and not shrinks:
        return iou
    kept = common / max(mask_area(before), 1) if grows else 1.0
    within = common / max(mask_area(mask), 1) if shrinks else 1.0
    return float(kept * within * iou**exponent)


def _stability(logits: Floats) -> float:
    return mask_area(logits > 1) / max(mask_area(logits > -1), 1)


def _prompts(
    known: Mask, points: Points, labels: Labels, prior: Floats
) -> Iterator[tuple[DecoderPrompt, Floats | None]]:
    """Prompts with their prior, the one that keeps most of the known mask first."""
    inside = points[labels == 1]
    x0, y0, x1, y1 = bounding_box(known)
    if len(inside):
        x0, y0 = min(x0, float(inside[:, 0].min())), min(y0, float(inside[:, 1].min()))
        x1, y1 = max(x1, float(inside[:, 0].max())), max(y1, float(inside[:, 1].max()))
    yield build_prompt((x0, y0, x1, y1), points, labels), prior
    anchors = np.vstack([_deepest_point(known, points[labels == 0]), points])
    kinds = np.concatenate([np.ones(1, np.int64), labels])
    yield build_prompt(None, anchors, kinds), prior
    yield build_prompt(None, anchors, kinds), None
    yield build_prompt(None, points, labels), prior
    yield build_prompt((x0, y0, x1, y1), points, labels), None


def _deepest_point(known: Mask, outside: Points) -> Points:
    """The pixel centre (1, 2) deepest inside a mask and away from the points outside the object."""
    padded = np.pad(known, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    if len(outside):
        y, x = np.mgrid[: known.shape[0], : known.shape[1]]
        away = np.min([np.hypot(x + 0.5 - px, y + 0.5 - py) for px, py in outside], axis=0)
        depth = np.minimum(depth, away / 2) * known
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return np.array([[column + 0.5, row + 0.5]])
