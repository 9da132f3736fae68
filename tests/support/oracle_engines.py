"""Concept engines that know the answers: masks by image and phrase, drawn sets give them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from maquette.contract.vocabulary import UnknownPhrase
from numpy.typing import NDArray

from workers.engines.protocols import (
    EngineInfo,
    FrameResult,
    MaskCleanup,
    Rgb,
    SegmentedInstance,
    TrackedInstance,
    TrackPrompts,
    VideoFrame,
)
from workers.geometry.boxes import bounding_box

Mask = NDArray[np.bool_]
# score and mask of every instance of a phrase
Answers = Mapping[str, Sequence[tuple[float, Mask]]]


def describe_oracle(kind: str = "concepts", **values: object) -> EngineInfo:
    fields: dict[str, object] = {
        "name": "oracle", "kind": kind, "version": "1", "device": "cpu", "licence": "none",
        "capabilities": ("phrases",), "limits": (),
    }  # fmt: skip
    return EngineInfo(**{**fields, **values})  # type: ignore[arg-type]


@dataclass
class OracleHandle:
    image: Rgb

    @property
    def size(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]


@dataclass
class OracleConcepts:
    """Answers by the value of an image's first pixel; `asked` counts the images."""

    answers: Mapping[int, Answers]
    info: EngineInfo = field(default_factory=describe_oracle)
    asked: int = 0

    def embed(self, image: Rgb, key: str) -> OracleHandle:
        self.asked += 1
        return OracleHandle(image)

    def ground(
        self,
        handle: OracleHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        known = self.answers[find_mark(handle.image)]
        for phrase in phrases:
            if phrase not in known:
                raise UnknownPhrase(phrase, tuple(known))
        return [
            SegmentedInstance(mask, bounding_box(mask), score, number, phrase)
            for number, phrase in enumerate(phrases)
            for score, mask in known[phrase]
            if score >= (thresholds[number] or 0.0)
        ]

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> "OracleTracker":
        return OracleTracker(self, prompts)


@dataclass
class OracleTracker:
    """Tracks phrases, or, for visual prompts, the instances of the phrase "objects", by the order of ids."""

    engine: OracleConcepts
    prompts: TrackPrompts

    def step(self, frame: VideoFrame) -> list[FrameResult]:
        self.engine.asked += 1
        known = self.engine.answers[find_mark(frame.image)]
        objects = []
        for number, phrase in enumerate(self.prompts.phrases or ("objects",)):
            if phrase not in known:
                raise UnknownPhrase(phrase, tuple(known))
            for position, (score, mask) in enumerate(known[phrase], start=1):
                if mask.any():
                    box = bounding_box(mask)
                    objects.append(TrackedInstance(mask, box, score, number, phrase, id=position))
        return [FrameResult(frame.index, frame.pts, tuple(objects))]

    def finish(self) -> list[FrameResult]:
        return []

    def snapshot(self) -> bytes:
        return b""


def find_mark(image: Rgb) -> int:
    """The grey level of a drawn image, to the next multiple of ten: JPEG changes it a little."""
    return round(float(image[0, 0].mean()) / 10) * 10


def draw_box(size: tuple[int, int], x: int, y: int, width: int, height: int) -> Mask:
    """A filled rectangle in a mask of (height, width)."""
    mask = np.zeros(size, np.bool_)
    mask[y : y + height, x : x + width] = True
    return mask


def shift_answers(answers: Mapping[int, Answers], pixels: int) -> dict[int, Answers]:
    """The same answers with every mask moved to the right."""
    return {
        mark: {
            phrase: [(score, np.roll(mask, pixels, axis=1)) for score, mask in instances]
            for phrase, instances in known.items()
        }
        for mark, known in answers.items()
    }
