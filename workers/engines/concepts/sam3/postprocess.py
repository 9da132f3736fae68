"""From the detector's raw outputs to what is worth upsampling: filter, NMS, tidy, in that order.

The scores are those of transformers' `post_process_instance_segmentation`: sigmoid of the logits times
sigmoid of the presence.
"""

from dataclasses import dataclass
from typing import Any

import torch

from workers.engines.concepts.sam3.kernels import suppress, tidy_logits


@dataclass(frozen=True, slots=True)
class Rules:
    """What stays: `threshold` on the score, `nms_iou` on mask overlap (None keeps all), `fill_area` in cells.

    `chunk` is how many masks a GPU upsamples at a time.
    """

    threshold: float
    nms_iou: float | None
    fill_area: int
    chunk: int


def scores_of(logits: Any, presence: Any) -> Any:
    """Scores (N, Q) in [0, 1], float32, from query logits (N, Q) and presence logits (N, 1) or None."""
    scores = logits.float().sigmoid()
    return scores if presence is None else scores * presence.float().sigmoid()


def select(scores: Any, masks: Any, rules: Rules) -> tuple[list[float], Any]:
    """What stays of one phrase's scores (Q,) and mask logits (Q, h, w): K of each, best first."""
    keep = torch.nonzero(scores > rules.threshold)[:, 0]
    scores, masks = scores[keep], masks[keep].float()
    order = torch.sort(scores, descending=True, stable=True).indices
    if rules.nms_iou is not None and len(order):
        order = suppress(scores, masks, rules.nms_iou)
    return scores[order].tolist(), tidy_logits(masks[order], rules.fill_area)


def stabilities(logits: Any) -> list[float]:
    """IoU of each mask (K, h, w) at +1 and -1 of its logits, on the model's own cells."""
    inner = (logits > 1).flatten(1).sum(1)
    outer = (logits > -1).flatten(1).sum(1)
    return [float(value) for value in (inner / outer.clamp(min=1)).tolist()]
