"""MobileSAM on a key frame: where a propagated mask has drifted, and where an object newly appears.

Units: boxes and soft masks are in working pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from workers.engines.concepts.images.mask_decoding import build_prompt
from workers.engines.concepts.images.mobilesam import (
    INPUT_SIDE,
    MASK_SIDE,
    Floats,
    ImageEmbedding,
    MobileSam,
)
from workers.engines.concepts.images.picodet import Detection
from workers.engines.concepts.masks import clip_mask, remove_specks
from workers.engines.concepts.tracking.config import CorrectionConfig
from workers.engines.concepts.tracking.foreground_prior import ProbabilityMap, soft_iou
from workers.engines.concepts.tracking.state import SoftMask, Track, threshold_mask
from workers.engines.protocols import Box, Mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import box_iou

# grey levels of a soft mask per unit of logit: a linear ramp keeps the edge's sub-pixel position through the
# next warps; chosen, not measured
EDGE_SLOPE = 32


@dataclass(frozen=True, slots=True)
class DecodedMask:
    """A soft mask u8 (h, w) and the decoder's predicted IoU."""

    soft: SoftMask
    score: float

    @property
    def mask(self) -> Mask:
        """The pixels inside the edge (h, w)."""
        return threshold_mask(self.soft)


@dataclass(frozen=True, slots=True)
class _Candidate:
    value: float
    logits: Floats
    score: float
    box: Box


class Reprompter:
    """Prompts MobileSAM on one key frame; answers have the tracker's working size (h, w)."""

    def __init__(
        self, sam: MobileSam, embedding: ImageEmbedding, work: tuple[int, int], config: CorrectionConfig
    ) -> None:
        self._sam, self._embedding, self._work, self._config = sam, embedding, work, config

    def correct(self, track: Track, prior: ProbabilityMap, detection: Detection | None) -> DecodedMask:
        """The candidate with the best product of predicted IoU and agreement with the prior f32 (h, w).

        A detection's box counts as much as the prior, which knows nothing of colours that were never seen.
        Without one, the boxes of the propagated mask and of the prior are used.
        """
        tracked, detected = track.visible_mask, detection.box if detection else None
        prompts: Sequence[tuple[Box, Floats | None]] = (
            (detected or bounding_box(tracked), self._prior_logits(track.visible)),
            (detected or bounding_box(_probable_part(tracked, prior)), None),
        )
        best: _Candidate | None = None
        for box, given in prompts:
            if best is not None and best.value >= self._config.sufficient_score:
                break
            for candidate in self._candidates(box, given, prior, detection):
                if best is None or candidate.value > best.value:
                    best = candidate
        if best is None:
            raise RuntimeError("the decoder returned no mask")
        return DecodedMask(self._soften(best.logits, best.box), min(best.score, 1.0))

    def segment_box(self, box: Box) -> DecodedMask:
        """The object in a box: the decoder's first mask, the one for an unambiguous prompt."""
        masks, scores = self._decode(box, None)
        return DecodedMask(self._soften(masks[0], box), min(max(float(scores[0]), 0.0), 1.0))

    def _candidates(
        self, box: Box, given: Floats | None, prior: ProbabilityMap, detection: Detection | None
    ) -> list[_Candidate]:
        """The decoder's masks for a box and a prior mask's logits, each with its value."""
        height, width = self._embedding.mask_extent
        low_prior = cv2.resize(prior, (width, height), interpolation=cv2.INTER_AREA)
        candidates = []
        masks, scores = self._decode(box, given)
        for logits, score in zip(masks, np.maximum(scores, 0).tolist(), strict=True):
            mask = np.asarray(logits[:height, :width] > 0, dtype=np.bool_)
            value = score * soft_iou(mask, low_prior)
            if detection is not None and mask.any():
                value *= box_iou(bounding_box(mask), self._to_mask_pixels(detection.box)) ** detection.score
            candidates.append(_Candidate(value, logits, score, box))
        return candidates

    def _prior_logits(self, soft: SoftMask) -> Floats:
        return self._sam.prior_logits(self._embedding, soft.astype(np.float32) / np.float32(255))

    def _to_mask_pixels(self, box: Box) -> Box:
        """A box in working pixels as one in the decoder's mask pixels."""
        height, width = self._embedding.scaled_size
        sx = width * MASK_SIDE / INPUT_SIDE / self._work[1]
        sy = height * MASK_SIDE / INPUT_SIDE / self._work[0]
        return box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy

    def _decode(self, box: Box, prior: Floats | None) -> tuple[Floats, Floats]:
        height, width = self._embedding.image_size
        sx, sy = width / self._work[1], height / self._work[0]
        prompt = build_prompt((box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy))
        return self._sam.decode(self._embedding, prompt, prior)

    def _soften(self, logits: Floats, box: Box) -> SoftMask:
        full = self._sam.upsample(self._embedding, logits, self._work)
        inside = remove_specks(clip_mask(np.asarray(full > 0, dtype=np.bool_), box, self._config.box_margin))
        soft: SoftMask = np.clip(full * EDGE_SLOPE + 127.5, 0, 255).astype(np.uint8)
        soft[~inside & (soft > 127)] = 0
        soft[inside & (soft <= 127)] = 255
        return soft


def _probable_part(tracked: Mask, prior: ProbabilityMap) -> Mask:
    """The probable pixels that are connected to the tracked mask; the tracked mask where there are none."""
    probable = cv2.morphologyEx((prior > 0.5).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(probable, connectivity=8)
    kept = np.unique(labels[tracked])
    connected = np.asarray(np.isin(labels, kept[kept > 0]), dtype=np.bool_)
    return connected if connected.any() else tracked
