"""From a prompt to one mask: the mean over several decodings of the image.

The decoder's own score picks worse among its masks than always taking the first. The errors of separate
decodings (the image, its mirror image, a second pass with the first mask as prior) differ, and their mean
beats each of them: a test-time augmentation. docs/benchmarks/concepts.md has the comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.images.config import MaskDecodingConfig
from workers.engines.concepts.images.mobilesam import DecoderPrompt, Floats, ImageEmbedding, MobileSam
from workers.engines.concepts.masks import mask_area
from workers.engines.protocols import Box, Mask
from workers.geometry.overlap import mask_iou

# the decoder's masks for ambiguous prompts: part, object, group
AMBIGUOUS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mask (H, W), its quality in 0..1, and its stability.

    Logits are not kept: those of 100 megapixels take 400 MB.
    """

    mask: Mask
    quality: float
    stability: float

    @classmethod
    def from_logits(cls, logits: Floats, predicted: float) -> Self:
        """The pixels with positive logits (H, W); their quality is predicted IoU x stability."""
        stability = measure_stability(logits)
        quality = min(max(predicted, 0.0), 1.0) * stability
        return cls(np.asarray(logits > 0, dtype=np.bool_), quality, stability)


def build_prompt(
    box: Box | None, points: NDArray[np.float64] | None = None, labels: NDArray[np.int64] | None = None
) -> DecoderPrompt:
    """A box and points (N, 2) with labels (N,) as one prompt; corners are the centres of outer pixels."""
    coords = [] if points is None else points.tolist()
    kinds = [] if labels is None else labels.tolist()
    if box is None:
        coords, kinds = [*coords, [0.0, 0.0]], [*kinds, -1]
    else:
        inset_x, inset_y = min(0.5, (box[2] - box[0]) / 2), min(0.5, (box[3] - box[1]) / 2)
        corners = [[box[0] + inset_x, box[1] + inset_y], [box[2] - inset_x, box[3] - inset_y]]
        coords, kinds = [*corners, *coords], [2, 3, *kinds]
    return DecoderPrompt(np.array(coords, np.float64).reshape(-1, 2), np.array(kinds, np.int64))


def decode_mean(
    sam: MobileSam,
    embeddings: Sequence[ImageEmbedding],
    prompt: DecoderPrompt,
    *,
    prior: Mask | None = None,
    refine: bool = True,
) -> Proposal:
    """The mean of the first masks over all embeddings; with `refine`, also of a pass that reads the first.

    `prior` is a mask (H, W) that the caller knows to be approximately right. Raises ValueError without
    embeddings.
    """
    total: Floats | None = None
    predicted: list[float] = []
    for embedding in embeddings:
        given = None if prior is None else sam.prior_logits(embedding, prior)
        masks, scores = sam.decode(embedding, prompt, given)
        low, passes = masks[0], 1
        predicted.append(float(scores[0]))
        if refine:
            again, _ = sam.decode(embedding, prompt, masks[0])
            low, passes = low + again[0], 2
        full = sam.upsample(embedding, low / passes)
        total = full if total is None else np.add(total, full, out=total)
        del full
    if total is None:
        raise ValueError("no embedding to decode")
    total /= np.float32(len(predicted))
    return Proposal.from_logits(total, float(np.mean(predicted)))


def decode_ambiguous(
    sam: MobileSam,
    embeddings: Sequence[ImageEmbedding],
    prompt: DecoderPrompt,
    config: MaskDecodingConfig,
) -> Proposal:
    """For an ambiguous prompt: of part, object and group the largest whose quality is nearly the best."""
    decoded = [sam.decode(embedding, prompt) for embedding in embeddings]
    proposals: list[Proposal] = []
    for index in AMBIGUOUS:
        total: Floats | None = None
        for embedding, (masks, _) in zip(embeddings, decoded, strict=True):
            full = sam.upsample(embedding, masks[index])
            last = np.asarray(full > 0, dtype=np.bool_)
            if total is None:
                total, first = full, last
            else:
                total += full
            del full
        assert total is not None
        total /= np.float32(len(decoded))
        predicted = float(np.mean([scores[index] for _, scores in decoded]))
        proposal = Proposal.from_logits(total, predicted)
        proposals.append(replace(proposal, quality=proposal.quality * mask_iou(first, last)))
    best = max(proposal.quality for proposal in proposals)
    near = [proposal for proposal in proposals if proposal.quality >= best - config.ambiguity_tolerance]
    return max(near, key=lambda proposal: int(np.count_nonzero(proposal.mask)))


def replace_low_quality(
    sam: MobileSam,
    embeddings: Sequence[ImageEmbedding],
    prompt: DecoderPrompt,
    proposal: Proposal,
    config: MaskDecodingConfig,
) -> Proposal:
    """`proposal`, or, where embeddings disagree until its quality is low, a candidate on which they agree."""
    if proposal.quality >= config.low_quality:
        return proposal
    other = decode_ambiguous(sam, embeddings, prompt, config)
    return other if other.quality >= config.low_quality else proposal


def prefer_figure(
    sam: MobileSam,
    embeddings: Sequence[ImageEmbedding],
    prompt: DecoderPrompt,
    box: Box,
    proposal: Proposal,
    config: MaskDecodingConfig,
) -> Proposal:
    """`proposal`, or, where it shows what is behind the object, the candidate that shows the object.

    A box fits an object that the image cuts off as well as the wall behind it, and the decoder is sure of
    either. Of two candidates that share hardly a pixel one is the ground; the figure covers more of the
    middle.
    """
    covered = measure_middle(proposal.mask, box, config.middle_sigma)
    # no mask beside one that covers half of the middle covers more of it
    if covered >= 0.5:
        return proposal
    best = proposal
    for embedding in embeddings:
        for logits, score in zip(*sam.decode(embedding, prompt), strict=True):
            other = Proposal.from_logits(sam.upsample(embedding, logits), float(score))
            if other.quality < config.low_quality or not _are_apart(other.mask, proposal.mask, config):
                continue
            if (middle := measure_middle(other.mask, box, config.middle_sigma)) > covered:
                covered, best = middle, other
    return best


def measure_middle(mask: Mask, box: Box, sigma: float) -> float:
    """The share of a box that a mask (H, W) covers, weighted by a Gaussian about the box's middle.

    `sigma` is its standard deviation in sides of the box.
    """
    height, width = mask.shape
    y = (np.arange(height) + 0.5 - (box[1] + box[3]) / 2) / max(box[3] - box[1], 1.0)
    x = (np.arange(width) + 0.5 - (box[0] + box[2]) / 2) / max(box[2] - box[0], 1.0)
    rows, columns = (np.exp(-0.5 * (axis / sigma) ** 2) * (np.abs(axis) <= 0.5) for axis in (y, x))
    return float(rows @ mask @ columns / max(rows.sum() * columns.sum(), 1e-9))


def _are_apart(one: Mask, other: Mask, config: MaskDecodingConfig) -> bool:
    smaller = min(mask_area(one), mask_area(other))
    return smaller > 0 and mask_area(one & other) <= config.apart_share * smaller


def measure_stability(logits: Floats) -> float:
    """The stability score of a mask's logits: IoU of the masks above 1 and above -1; 0 without pixels."""
    inner, outer = int(np.count_nonzero(logits > 1)), int(np.count_nonzero(logits > -1))
    return inner / outer if outer else 0.0
