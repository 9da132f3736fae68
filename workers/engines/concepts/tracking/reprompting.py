"""MobileSAM on a key frame: where a propagated mask has drifted, and where an object newly appears.

Units: boxes and soft masks are in working pixels.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from operator import attrgetter

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
from workers.engines.concepts.tracking.soft_masks import SoftMask, threshold_mask
from workers.engines.concepts.tracking.state import Track
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
class _Decoded:
    """The decoder's masks as logits f32[4,256,256] for a box, and their predicted IoU f32[4]."""

    box: Box
    masks: Floats
    scores: Floats


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
        self._decoded: dict[int, Future[_Decoded]] = {}

    def look_ahead(self, tracks: Sequence[Track], matched: Mapping[int, Detection], pool: Executor) -> None:
        """Begin to decode the first prompt of each track, of which none depends on another's answer.

        `matched` are the detections by track id.
        """
        for track in tracks:
            self._decoded[track.id] = pool.submit(self._decode_first, track, matched.get(track.id))

    def correct(self, track: Track, prior: ProbabilityMap, detection: Detection | None) -> DecodedMask:
        """The candidate with the best product of predicted IoU and agreement with the prior f32 (h, w).

        A detection's box counts as much as the prior, which knows nothing of colours that were never seen.
        Without one, the boxes of the propagated mask and of the prior are used.
        """
        ready = self._decoded.pop(track.id, None)
        first = self._decode_first(track, detection) if ready is None else ready.result()
        best = self._choose_best(first, prior, detection)
        if best.value < self._config.sufficient_score:
            box = detection.box if detection else bounding_box(_probable_part(track.visible_mask, prior))
            other = self._choose_best(self._decode(box, None), prior, detection)
            best = other if other.value > best.value else best
        return DecodedMask(self._soften(best.logits, best.box), min(best.score, 1.0))

    def _decode_first(self, track: Track, detection: Detection | None) -> _Decoded:
        """The answers to a track's box, or that of its detection, and its mask as a prior."""
        box = detection.box if detection else bounding_box(track.visible_mask)
        return self._decode(box, self._prior_logits(track.visible))

    def segment_box(self, box: Box) -> DecodedMask:
        """The object in a box: the decoder's first mask, the one for an unambiguous prompt."""
        answers = self._decode(box, None)
        return DecodedMask(self._soften(answers.masks[0], box), min(max(float(answers.scores[0]), 0.0), 1.0))

    def _choose_best(
        self, decoded: _Decoded, prior: ProbabilityMap, detection: Detection | None
    ) -> _Candidate:
        """The best of the decoder's masks, the first of equal ones."""
        height, width = self._embedding.mask_extent
        low_prior = cv2.resize(prior, (width, height), interpolation=cv2.INTER_AREA)
        candidates = []
        for logits, score in zip(decoded.masks, np.maximum(decoded.scores, 0).tolist(), strict=True):
            mask = np.asarray(logits[:height, :width] > 0, dtype=np.bool_)
            value = score * soft_iou(mask, low_prior)
            if detection is not None and mask.any():
                value *= box_iou(bounding_box(mask), self._to_mask_pixels(detection.box)) ** detection.score
            candidates.append(_Candidate(value, logits, score, decoded.box))
        return max(candidates, key=attrgetter("value"))

    def _prior_logits(self, soft: SoftMask) -> Floats:
        return self._sam.prior_logits(self._embedding, soft.astype(np.float32) / np.float32(255))

    def _to_mask_pixels(self, box: Box) -> Box:
        """A box in working pixels as one in the decoder's mask pixels."""
        height, width = self._embedding.scaled_size
        sx = width * MASK_SIDE / INPUT_SIDE / self._work[1]
        sy = height * MASK_SIDE / INPUT_SIDE / self._work[0]
        return box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy

    def _decode(self, box: Box, prior: Floats | None) -> _Decoded:
        height, width = self._embedding.image_size
        sx, sy = width / self._work[1], height / self._work[0]
        prompt = build_prompt((box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy))
        return _Decoded(box, *self._sam.decode(self._embedding, prompt, prior))

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
