"""Ask MobileSAM again on a keyframe: where a carried mask has drifted, where a new object has come."""

from dataclasses import dataclass

import cv2
import numpy as np

from workers.engines.concepts.consensus import prompt_of
from workers.engines.concepts.flow import Soft
from workers.engines.concepts.foreground_prior import Belief, agreement
from workers.engines.concepts.masks import clip_mask, tidy
from workers.engines.concepts.mobilesam import LOW, SIDE, Floats, MobileSam, View
from workers.engines.concepts.picodet import Detection
from workers.engines.concepts.tracks import Track
from workers.engines.protocols import Box, Mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import box_iou

GROW = 0.15
# a candidate this good needs no further asking
ENOUGH = 0.88


@dataclass(frozen=True, slots=True)
class Answer:
    """A soft mask u8 (h, w) at working resolution and the decoder's predicted IoU."""

    soft: Soft
    score: float

    @property
    def mask(self) -> Mask:
        return np.asarray(self.soft > 127, dtype=np.bool_)


class Reprompter:
    """One keyframe: a view of the frame, and answers at the tracker's working resolution (h, w)."""

    def __init__(self, sam: MobileSam, view: View, work: tuple[int, int]) -> None:
        self._sam, self._view, self._work = sam, view, work

    def correct(self, track: Track, probable: Belief, hit: Detection | None) -> Answer:
        """The candidate that is sure of itself and agrees best with what is believed (h, w) of the object.

        `hit` in working pixels comes from the detector: its box counts as much as the belief, which knows
        nothing of colours that were never seen. Without one the boxes of what was carried and of what is
        probable are used.
        """
        box = hit.box if hit else None
        likely = _likely(track.mask, probable)
        asks: list[tuple[Box, Floats | None]] = [
            (box or bounding_box(track.mask), self._prior(track.visible))
        ]
        asks.append((box or bounding_box(likely), None))
        height, width = (round(side * LOW / SIDE) for side in self._view.inner)
        low = cv2.resize(probable, (width, height), interpolation=cv2.INTER_AREA)
        best: tuple[float, Floats, float, Box] | None = None
        for around, given in asks:
            if best is not None and best[0] >= ENOUGH:
                break
            masks, scores = self._decode(around, given)
            for logits, score in zip(masks, np.maximum(scores, 0).tolist(), strict=True):
                mask = np.asarray(logits[:height, :width] > 0, dtype=np.bool_)
                value = score * agreement(mask, low)
                if hit is not None and mask.any():
                    value *= box_iou(bounding_box(mask), self._low(hit.box)) ** hit.score
                if best is None or value > best[0]:
                    best = value, logits, score, around
        if best is None:
            raise RuntimeError("the decoder gave no mask")
        return Answer(self._soften(best[1], best[3]), min(best[2], 1.0))

    def find(self, box: Box) -> Answer:
        """The object in a box in working pixels: the first mask, the one for an unambiguous prompt."""
        masks, scores = self._decode(box, None)
        return Answer(self._soften(masks[0], box), min(max(float(scores[0]), 0.0), 1.0))

    def _prior(self, soft: Soft) -> Floats:
        return self._sam.as_prior(self._view, soft.astype(np.float32) / np.float32(255))

    def _low(self, box: Box) -> Box:
        sx = self._view.inner[1] * LOW / SIDE / self._work[1]
        sy = self._view.inner[0] * LOW / SIDE / self._work[0]
        return box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy

    def _decode(self, box: Box, prior: Floats | None) -> tuple[Floats, Floats]:
        sx, sy = self._view.size[1] / self._work[1], self._view.size[0] / self._work[0]
        scaled = box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy
        prompt = prompt_of(scaled, np.zeros((0, 2)), np.zeros(0, np.int64))
        return self._sam.decode(self._view, prompt, prior)

    def _soften(self, logits: Floats, box: Box) -> Soft:
        full = self._sam.upsample(self._view, logits, self._work)
        inside = tidy(clip_mask(np.asarray(full > 0, dtype=np.bool_), box, GROW))
        # a linear ramp around the edge keeps its sub-pixel position through the next warps
        soft: Soft = np.clip(full * 32 + 127.5, 0, 255).astype(np.uint8)
        soft[~inside & (soft > 127)] = 0
        soft[inside & (soft <= 127)] = 255
        return soft


def _likely(seen: Mask, probable: Belief) -> Mask:
    """What is probable and joined to what was seen; that itself when nothing is."""
    chosen = cv2.morphologyEx((probable > 0.5).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(chosen, connectivity=8)
    kept = np.unique(labels[seen])
    joined = np.asarray(np.isin(labels, kept[kept > 0]), dtype=np.bool_)
    return joined if joined.any() else seen
