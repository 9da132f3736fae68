"""From the detector's raw outputs to instances: filter, NMS, clean-up, and only then upsampling.

The scores are those of transformers' `post_process_instance_segmentation`: sigmoid of the logits times
sigmoid of the presence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workers.engines.concepts.sam3.kernels import remove_small_areas, suppress_overlaps
from workers.engines.concepts.sam3.settings import BackendSettings, PostprocessConfig
from workers.engines.concepts.sam3.upsample import upsample_with_runs
from workers.engines.protocols import GroundingQuery, SegmentedInstance
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box

# predicted IoU (0..1) below which the mask of a visual prompt is flagged `low_iou`, as in the default engine;
# chosen, not measured on real weights
LOW_QUALITY = 0.55


@dataclass(frozen=True, slots=True)
class RawDetections:
    """The detector's outputs for a phrase: scores (Q,) f32, mask logits (Q, h, w), semantic logits (h, w)."""

    scores: Any
    masks: Any
    semantic: Any = None


def compute_scores(logits: Any, presence: Any) -> Any:
    """Scores (N, Q) in [0, 1], float32, from query logits (N, Q) and presence logits (N, 1) or None."""
    scores = logits.float().sigmoid()
    return scores if presence is None else scores * presence.float().sigmoid()


def select_detections(
    raw: RawDetections, config: PostprocessConfig, threshold: float | None = None
) -> tuple[list[float], Any]:
    """The scores and mask logits (K, h, w) of one phrase that remain, best first.

    `threshold` takes the place of the config's.
    """
    least = config.threshold if threshold is None else threshold
    keep = torch.nonzero(raw.scores > least)[:, 0]
    scores, masks = raw.scores[keep], raw.masks[keep].float()
    order = torch.sort(scores, descending=True, stable=True).indices
    if config.nms_iou is not None and len(order):
        order = suppress_overlaps(scores, masks, config.nms_iou)
    return scores[order].tolist(), remove_small_areas(masks[order], config.fill_area)


def build_instances(
    raw: RawDetections,
    size: tuple[int, int],
    config: PostprocessConfig,
    *,
    threshold: float | None,
    prompt: int,
    label: str | None,
    flags: tuple[str, ...] = (),
) -> list[SegmentedInstance]:
    """The instances of one phrase in an image of (height, width), best first.

    `prompt` is the phrase's index.
    """
    scores, logits = select_detections(raw, config, threshold)
    masks = upsample_with_runs(logits, size, config.mask_chunk, probabilities=True)
    return [
        SegmentedInstance(
            mask, bounding_box(mask), score, prompt, label, (*flags, *truncation_flags(mask)), stability, runs
        )
        for score, (mask, runs), stability in zip(scores, masks, measure_stabilities(logits), strict=True)
        if mask.any()
    ]


def build_query_instances(
    query: GroundingQuery, raw: Sequence[RawDetections], settings: BackendSettings
) -> list[SegmentedInstance]:
    """The instances of a query from the outputs for each of its phrases, best first within a phrase."""
    limits = query.thresholds or [None] * len(query.phrases)
    config = settings.clean_with(query.cleanup)
    instances: list[SegmentedInstance] = []
    for index, (each, threshold) in enumerate(zip(raw, limits, strict=True)):
        label = query.phrases[index]
        instances += build_instances(
            each, query.handle.size, config, threshold=threshold, prompt=index, label=label
        )
    return instances


def build_semantic_map(raw: RawDetections, size: tuple[int, int]) -> NDArray[np.float32]:
    """The semantic map (H, W), 0 to 1, interpolated as transformers' processor does (bilinear)."""
    field = raw.semantic.float().sigmoid()[None, None]
    full = torch.nn.functional.interpolate(field, size=size, mode="bilinear", align_corners=False)
    return np.asarray(full[0, 0].cpu(), dtype=np.float32)


def measure_stabilities(logits: Any) -> list[float]:
    """IoU of each mask (K, h, w) at +1 and -1 of its logits, on the model's own cells."""
    inner = (logits > 1).flatten(1).sum(1)
    outer = (logits > -1).flatten(1).sum(1)
    return [float(value) for value in (inner / outer.clamp(min=1)).tolist()]
