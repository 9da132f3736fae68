"""Concept engines: phrases, exemplars and visual prompts to masks in images and videos."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols.shared import Box, EngineInfo, Mask, Rgb, Runs


@dataclass(frozen=True, slots=True)
class VisualPrompt:
    """A box, points or a mask that names one object; several of them together name the same object.

    `box` is xyxy in pixels; `points` is (N, 2) xy in pixels, and `labels` (N,) is 1 inside the object and 0
    outside it (all 1 when None); `mask` is an approximate mask (H, W).
    """

    box: Box | None = None
    points: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None
    mask: Mask | None = None


@dataclass(frozen=True, slots=True)
class MaskedInstance:
    """One instance in an image or a frame; `prompt` is the index of what it answers."""

    mask: Mask
    box: Box
    score: float
    prompt: int
    label: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentedInstance(MaskedInstance):
    """One instance in an image; `prompt` is the index of the phrase or visual prompt that it answers.

    `stability` is the IoU of the masks at a higher and a lower threshold on the logits (Kirillov et al.,
    Segment Anything, 2023: "stability score"), None where the engine has no logits. `runs` are those of the
    mask where a GPU has computed them, so that they need not be found again.
    """

    stability: float | None = None
    runs: Runs | None = None


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A decoded frame (H, W, 3); `pts` is in units of the stream's time base.

    `time` is the same in seconds, None where nobody knows it: then ids are not compared over time.
    """

    index: int
    pts: int
    image: Rgb
    time: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TimedPrompt:
    """A visual prompt for object `id` on the video frame whose index is `frame`.

    The first prompt for an id starts that object. Later prompts, and prompts for an object that a phrase
    found, correct it from that frame on: points correct its mask, a box or a mask replaces it.
    """

    frame: int
    id: int
    prompt: VisualPrompt


@dataclass(frozen=True, slots=True)
class Removal:
    """Object `id` is removed for good, from the frame whose index is `frame`."""

    frame: int
    id: int


@dataclass(frozen=True, slots=True)
class FrameExemplar:
    """An exemplar box, positive (label 1) or negative (0), of phrase `prompt` on the video frame `frame`.

    Only engines with the capability `video_exemplars` accept it; for the phrase "visual" only boxes count.
    Those of one phrase on one frame count together, on that frame; elsewhere the phrase is searched alone,
    and what was found on the frame is tracked.
    """

    frame: int
    prompt: int
    box: Box
    label: int = 1


@dataclass(frozen=True, slots=True)
class TrackPrompts:
    """What to track in a video: phrases on every frame, visual prompts and removals on their own frames.

    Visual prompts come in the order in which the tracker meets their frames, those that it never meets last.
    Ids 1 to `objects` belong to the objects of visual prompts; objects of phrases get higher ids.
    `thresholds` has one value per phrase, None for the engine's default; it is empty when all are None.
    """

    phrases: tuple[str, ...] = ()
    thresholds: tuple[float | None, ...] = ()
    objects: int = 0
    visual_prompts: tuple[TimedPrompt, ...] = ()
    removals: tuple[Removal, ...] = ()
    exemplars: tuple[FrameExemplar, ...] = ()

    @classmethod
    def from_visual_prompts(
        cls,
        prompts: Sequence[VisualPrompt],
        phrases: Sequence[str] = (),
        *,
        frame: int = 0,
        thresholds: Sequence[float | None] = (),
    ) -> Self:
        """Phrases, and one object per visual prompt, all on one frame; ids count from 1 in their order."""
        timed = tuple(TimedPrompt(frame, number, prompt) for number, prompt in enumerate(prompts, start=1))
        return cls(tuple(phrases), tuple(thresholds), len(timed), timed)

    def threshold(self, phrase: int) -> float | None:
        """The threshold of the phrase with that index, None for the engine's default."""
        return self.thresholds[phrase] if self.thresholds else None

    def signature(self) -> dict[str, object]:
        """The prompts as JSON for snapshots: a tracker resumes only with the prompts it was started with."""
        return {
            "phrases": list(self.phrases),
            "thresholds": list(self.thresholds),
            "objects": self.objects,
            "clicks": sorted(
                ([timed.frame, timed.id] for timed in self.visual_prompts), key=lambda click: click[0]
            ),
            "removals": [[removal.frame, removal.id] for removal in self.removals],
            "shown": [[exemplar.frame, exemplar.prompt] for exemplar in self.exemplars],
        }


@dataclass(frozen=True, slots=True)
class TrackedInstance(MaskedInstance):
    """One object in one frame; `id` counts from 1 and stays with the object through the video.

    `prompt` is the index of the phrase that found it; for an object of a visual prompt it is the number of
    phrases + id - 1. `margin` (-1..1) says how certain its identity is in this frame: by how much its own
    detection fits it better, in IoU, than another object's detection or track does; at most 0 where none was
    its own, None where the engine did not compare. `merged` (0..0.5) says how far its mask covers two
    objects: the smaller of the two shares of it that one alone of two detections of its class explains, None
    where the engine did not compare.
    """

    id: int = field(kw_only=True)
    margin: float | None = field(default=None, kw_only=True)
    merged: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The tracked objects of one frame; `pts` is in units of the time base."""

    index: int
    pts: int
    objects: tuple[TrackedInstance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskCleanup:
    """How the instances of phrases and exemplars are cleaned; None takes the engine's own setting.

    `nms_iou` is the mask IoU above which the weaker of two instances of a phrase is dropped, 1 keeps all.
    `fill_area` is the largest hole or speck that is removed, in cells of the engine's own masks.
    """

    nms_iou: float | None = None
    fill_area: int | None = None


class Tracker(Protocol):
    """Tracks objects through one video in constant memory; frames may also come in descending order."""

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Process the next frame and return the results that are final now (none, one or several)."""
        ...

    def finish(self) -> Iterable[FrameResult]:
        """The results that are still held back when the video ends.

        A generator computes while it is read, and has to be closed: see `finish_tracking`.
        """
        ...

    def snapshot(self) -> bytes:
        """The complete state as bytes (JSON or npz, never pickle), for a checkpoint."""
        ...


class _Finishing(Protocol):
    def finish(self) -> Iterable[FrameResult]: ...


@contextmanager
def finish_tracking(tracker: _Finishing) -> Iterator[Iterator[FrameResult]]:
    """What a tracker holds back, result by result; one that still computes ends with the block."""
    results = tracker.finish()
    try:
        yield iter(results)
    finally:
        if isinstance(results, Generator):
            results.close()


class ImageHandle(Protocol):
    """An image that an engine has embedded; opaque to callers."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        ...


@runtime_checkable
class ConceptEngine(Protocol):
    info: EngineInfo

    def embed(self, image: Rgb, key: str) -> ImageHandle:
        """Embed an image (H, W, 3); the same key returns the cached handle."""
        ...

    def check(self, phrases: Sequence[str]) -> None:
        """Raise UnknownPhrase for the first phrase that this engine can never answer."""
        ...

    def ground(
        self,
        handle: ImageHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """All instances of each phrase, best first within a phrase.

        `thresholds` has one value per phrase, None for the engine's default; empty means None for all.
        `cleanup` is for engines with the capability `mask_cleanup`; others raise RequestRefused.
        """
        ...

    def ground_exemplars(
        self,
        handle: ImageHandle,
        boxes: Sequence[Box],
        labels: Sequence[int],
        *,
        shown: Sequence[ImageHandle | None] = (),
        threshold: float | None = None,
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """All instances that look like the boxes labelled 1 and unlike those labelled 0, best first.

        `shown` holds the image in which each box lies, None for `handle` itself; empty means None for all.
        Raises RequestRefused (`exemplars_other_image`) where only boxes of the searched image are accepted.
        """
        ...

    def segment(self, handle: ImageHandle, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        """Exactly one instance per prompt, in the order of the prompts."""
        ...

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker for one video; `state` is a snapshot to resume from."""
        ...


Frames = Iterable[VideoFrame]


@runtime_checkable
class SemanticEngine(Protocol):
    """What a concept engine adds that lists the capability `semantic_map`."""

    def map_semantics(self, handle: ImageHandle, phrases: Sequence[str]) -> list[NDArray[np.float32]]:
        """How likely each pixel belongs to a phrase's concept, 0 to 1, float32 (H, W) per phrase.

        Instances are not separated, and no threshold or cleaning applies.
        """
        ...
