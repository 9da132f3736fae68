"""From one click to one mask: what several looks at the image agree on.

The decoder's own score picks worse among its masks than always taking the first. Errors of separate
looks (the image, its mirror, a second pass that sees the first mask) differ: their mean beats each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.mobilesam import Floats, MobileSam, Prompt, View
from workers.engines.protocols import Box, Mask
from workers.geometry.overlap import mask_iou

# a lone click: take the largest candidate whose quality is this close to the best
NEAR_BEST = 0.05


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mask as logits (H, W), and a quality in 0..1: predicted IoU times stability."""

    logits: Floats
    quality: float

    @property
    def mask(self) -> Mask:
        return np.asarray(self.logits > 0, dtype=np.bool_)

    @property
    def stability(self) -> float:
        """IoU of the masks at +1 and -1 of the logits."""
        return _stability(self.logits)


def prompt_of(box: Box | None, points: NDArray[np.float64], labels: NDArray[np.int64]) -> Prompt:
    """A box and points as one prompt; the corners are the centres of the box's outer pixels."""
    if box is None:
        coords, kinds = [*points.tolist(), [0.0, 0.0]], [*labels.tolist(), -1]
    else:
        inset_x, inset_y = min(0.5, (box[2] - box[0]) / 2), min(0.5, (box[3] - box[1]) / 2)
        corners = [[box[0] + inset_x, box[1] + inset_y], [box[2] - inset_x, box[3] - inset_y]]
        coords, kinds = [*corners, *points.tolist()], [2, 3, *labels.tolist()]
    return Prompt(np.array(coords, np.float64).reshape(-1, 2), np.array(kinds, np.int64))


def agree(
    sam: MobileSam, views: Sequence[View], prompt: Prompt, *, prior: Mask | None = None, refine: bool = True
) -> Proposal:
    """The mean of the first masks over all views, each with a second pass that sees the first.

    `prior` is a mask (H, W) that the caller knows to be about right.
    """
    total: Floats | None = None
    predicted: list[float] = []
    for view in views:
        given = None if prior is None else sam.as_prior(view, prior.astype(np.float32))
        masks, scores = sam.decode(view, prompt, given)
        low, passes = masks[0], 1
        predicted.append(float(scores[0]))
        if refine:
            again, _ = sam.decode(view, prompt, masks[0])
            low, passes = low + again[0], 2
        full = sam.upsample(view, low / passes)
        total = full if total is None else total + full
    if total is None:
        raise ValueError("no view to decode")
    mean: Floats = total / np.float32(len(predicted))
    return Proposal(mean, _quality(mean, float(np.mean(predicted))))


def sure(sam: MobileSam, views: Sequence[View], prompt: Prompt, found: Proposal, least: float) -> Proposal:
    """`found`, or, where the views disagree until it is weak, a candidate that all of them know."""
    if found.quality >= least:
        return found
    other = choose(sam, views, prompt)
    return other if other.quality >= least else found


def choose(sam: MobileSam, views: Sequence[View], prompt: Prompt) -> Proposal:
    """One click is ambiguous: of part, whole and group, the largest of those about equally sure."""
    decoded = [sam.decode(view, prompt) for view in views]
    proposals: list[Proposal] = []
    for index in (1, 2, 3):
        looks = [sam.upsample(view, masks[index]) for view, (masks, _) in zip(views, decoded, strict=True)]
        mean: Floats = np.mean(np.stack(looks), axis=0, dtype=np.float32)
        consistency = mask_iou(looks[0] > 0, looks[-1] > 0)
        predicted = float(np.mean([scores[index] for _, scores in decoded]))
        proposals.append(Proposal(mean, _quality(mean, predicted) * consistency))
    best = max(proposal.quality for proposal in proposals)
    near = [proposal for proposal in proposals if proposal.quality >= best - NEAR_BEST]
    return max(near, key=lambda proposal: int(np.count_nonzero(proposal.logits > 0)))


def _quality(logits: Floats, predicted: float) -> float:
    return min(max(predicted, 0.0), 1.0) * _stability(logits)


def _stability(logits: Floats) -> float:
    inner, outer = int(np.count_nonzero(logits > 1)), int(np.count_nonzero(logits > -1))
    return inner / outer if outer else 0.0
