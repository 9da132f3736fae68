"""Points on an object that is known already: the least change of its mask that obeys them."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.consensus import Proposal, prompt_of
from workers.engines.concepts.masks import area_of
from workers.engines.concepts.mobilesam import LOW, SIDE, Floats, MobileSam, Prompt, View
from workers.engines.protocols import Mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

# of two masks that obey, the one that changes less is a little better
CHANGE = 0.25

Points = NDArray[np.float64]
Labels = NDArray[np.int64]


def mend(sam: MobileSam, view: View, known: Mask, points: Points, labels: Labels) -> Proposal:
    """The candidate that obeys most points (N, 2) and is otherwise most like the known mask (H, W).

    Its quality is the predicted IoU times the share of points that it obeys.
    """
    scale = np.array(view.inner) / np.array(view.size) * LOW / SIDE
    extent = max(round(view.inner[0] * LOW / SIDE), 1), max(round(view.inner[1] * LOW / SIDE), 1)
    rows = np.clip((points[:, 1] * scale[0]).astype(int), 0, extent[0] - 1)
    columns = np.clip((points[:, 0] * scale[1]).astype(int), 0, extent[1] - 1)
    prior = sam.as_prior(view, known.astype(np.float32))
    before = np.asarray(prior[: extent[0], : extent[1]] > 0, dtype=np.bool_)
    held = before[rows, columns]
    grows, shrinks = bool((~held & (labels == 1)).any()), bool((held & (labels == 0)).any())
    best: tuple[float, float, Floats] | None = None
    for prompt, given in _asks(known, points, labels, prior):
        masks, scores = sam.decode(view, prompt, given)
        for logits, score in zip(masks, np.clip(scores, 0, 1).tolist(), strict=True):
            mask = np.asarray(logits[: extent[0], : extent[1]] > 0, dtype=np.bool_)
            obeyed = float((mask[rows, columns] == (labels == 1)).mean())
            value = obeyed * len(points) + _sure(logits) * score * _like(mask, before, grows, shrinks)
            if best is None or value > best[0]:
                best = value, score * obeyed, logits
    if best is None:
        raise ValueError("a mask is mended by one point at least")
    return Proposal(sam.upsample(view, best[2]), best[1])


def _like(mask: Mask, before: Mask, grows: bool, shrinks: bool) -> float:
    """How much of the change was asked for, 0..1: what must grow may, as long as it holds what was known."""
    overlap, common = mask_iou(mask, before), area_of(mask & before)
    if not grows and not shrinks:
        return overlap
    held = common / max(area_of(before), 1) if grows else 1.0
    own = common / max(area_of(mask), 1) if shrinks else 1.0
    return float(held * own * overlap**CHANGE)


def _sure(logits: Floats) -> float:
    return area_of(logits > 1) / max(area_of(logits > -1), 1)


def _asks(
    known: Mask, points: Points, labels: Labels, prior: Floats
) -> Iterator[tuple[Prompt, Floats | None]]:
    """Prompts from the one that holds most to what is known to the one that holds least."""
    inside = points[labels == 1]
    x0, y0, x1, y1 = bounding_box(known)
    if len(inside):
        x0, y0 = min(x0, float(inside[:, 0].min())), min(y0, float(inside[:, 1].min()))
        x1, y1 = max(x1, float(inside[:, 0].max())), max(y1, float(inside[:, 1].max()))
    yield prompt_of((x0, y0, x1, y1), points, labels), prior
    anchors = np.vstack([_deepest(known, points[labels == 0]), points])
    kinds = np.concatenate([np.ones(1, np.int64), labels])
    yield prompt_of(None, anchors, kinds), prior
    yield prompt_of(None, anchors, kinds), None
    yield prompt_of(None, points, labels), prior
    yield prompt_of((x0, y0, x1, y1), points, labels), None


def _deepest(known: Mask, outside: Points) -> Points:
    """The pixel centre (1, 2) deepest inside a mask and away from the points outside the object."""
    free = np.pad(known, 1).astype(np.uint8)
    depth = cv2.distanceTransform(free, cv2.DIST_L2, 5)[1:-1, 1:-1]
    if len(outside):
        y, x = np.mgrid[: known.shape[0], : known.shape[1]]
        away = np.min([np.hypot(x + 0.5 - px, y + 0.5 - py) for px, py in outside], axis=0)
        depth = np.minimum(depth, away / 2) * known
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return np.array([[column + 0.5, row + 0.5]])
