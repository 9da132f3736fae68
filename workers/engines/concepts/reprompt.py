"""Ask MobileSAM again on a keyframe: where a carried mask has drifted, where a new object has come."""

from dataclasses import dataclass

import numpy as np

from workers.engines.concepts.consensus import prompt_of
from workers.engines.concepts.flow import Soft
from workers.engines.concepts.masks import area_of, box_of, clip_mask, mask_iou, tidy
from workers.engines.concepts.mobilesam import LOW, SIDE, Floats, MobileSam, View
from workers.engines.protocols import Box, Mask

GROW = 0.15
PART = 0.6


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

    def correct(self, visible: Soft, whole: Soft, area: float, box: Box | None) -> Answer:
        """The candidate that is sure of itself and agrees with the carried mask, as seen or as a whole.

        `box` in working pixels comes from the detector; without it the boxes of the two masks are used, and
        a larger one when the object is usually much larger (`area`, working pixels) than what is seen of it.
        """
        seen, full = np.asarray(visible > 127, dtype=np.bool_), np.asarray(whole > 127, dtype=np.bool_)
        prior, shape = self._prior(visible), self._prior(whole)
        asks: list[tuple[Box, Floats | None]] = [(box or box_of(seen), prior), (box or box_of(full), None)]
        part = area_of(seen) < PART * area
        if part and box is None:
            asks.append((self._grown(box_of(seen), float(np.sqrt(area / area_of(seen)))), None))
        height, width = (round(side * LOW / SIDE) for side in self._view.inner)
        known = [np.asarray(low[:height, :width] > 0, dtype=np.bool_) for low in (prior, shape)]
        usual = area * height * width / seen.size
        best: tuple[float, Floats, float, Box] | None = None
        for around, given in asks:
            masks, scores = self._decode(around, given)
            for logits, score in zip(masks, np.maximum(scores, 0).tolist(), strict=True):
                mask = np.asarray(logits[:height, :width] > 0, dtype=np.bool_)
                overlap = max(mask_iou(mask, other) for other in known)
                if part:
                    overlap = max(overlap, _uncovers(mask, known[0], usual))
                if best is None or score * overlap > best[0]:
                    best = score * overlap, logits, score, around
        if best is None:
            raise RuntimeError("the decoder gave no mask")
        return Answer(self._soften(best[1], best[3]), min(best[2], 1.0))

    def find(self, box: Box) -> Answer:
        """The object in a box in working pixels: the first mask, the one for an unambiguous prompt."""
        masks, scores = self._decode(box, None)
        return Answer(self._soften(masks[0], box), min(max(float(scores[0]), 0.0), 1.0))

    def _prior(self, soft: Soft) -> Floats:
        return self._sam.as_prior(self._view, soft.astype(np.float32) / np.float32(255))

    def _grown(self, box: Box, factor: float) -> Box:
        height, width = self._work
        dx, dy = (factor - 1) * (box[2] - box[0]) / 2, (factor - 1) * (box[3] - box[1]) / 2
        return max(box[0] - dx, 0), max(box[1] - dy, 0), min(box[2] + dx, width), min(box[3] + dy, height)

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


def _uncovers(mask: Mask, known: Mask, usual: float) -> float:
    """How well a mask holds a known part and has the object's usual size, both 0..1, multiplied."""
    size = max(area_of(mask), 1)
    return area_of(mask & known) / max(area_of(known), 1) * min(size / usual, usual / size)
