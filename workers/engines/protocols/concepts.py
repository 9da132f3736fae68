"""Concept engines: phrases, exemplars and visual prompts to masks in images and videos."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols.shared import Box, EngineInfo, Mask, Rgb


@dataclass(frozen=True, slots=True)
class Click:
    """One object named by geometry: a box, points with labels (1 inside, 0 outside), or both."""

    box: Box | None = None
    points: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None
    mask: Mask | None = None


@dataclass(frozen=True, slots=True)
class Segmented:
    """One instance found in an image; `prompt` is the index of the phrase or click that found it.

    `stability` is the IoU of the masks at a higher and a lower cut of the logits, None where there are none
    (Kirillov et al., Segment Anything, 2023: "stability score").
    """

    mask: Mask
    box: Box
    score: float
    prompt: int
    label: str | None = None
    flags: tuple[str, ...] = ()
    stability: float | None = None


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A decoded frame: `pts` counts ticks of the stream's time base."""

    index: int
    pts: int
    image: Rgb


@dataclass(frozen=True, slots=True, eq=False)
class TimedClick:
    """A click on the video frame whose index is `frame`.

    The first click on an id starts that object; later ones, and clicks on an object that a phrase found,
    mend it from that frame on: points correct its mask, a box or a mask replaces it.
    """

    frame: int
    id: int
    click: Click


@dataclass(frozen=True, slots=True)
class Removal:
    """From frame `frame` on the object `id` is gone for good."""

    frame: int
    id: int


@dataclass(frozen=True, slots=True)
class ShownOnFrame:
    """A box on the video frame whose index is `frame` that shows (label 1) what phrase `prompt` means.

    Only engines with the capability `video_exemplars` take it; the phrase "visual" leaves the words out.
    """

    frame: int
    prompt: int
    box: Box
    label: int = 1


@dataclass(frozen=True, slots=True)
class TrackPrompts:
    """What to follow through a video: phrases on every frame, clicks and removals on their own frames.

    Ids 1 to `objects` belong to clicked objects; what phrases find gets higher ids. `thresholds` has one
    value a phrase, None for the engine's own; it is empty when all are None.
    """

    phrases: tuple[str, ...] = ()
    thresholds: tuple[float | None, ...] = ()
    objects: int = 0
    clicks: tuple[TimedClick, ...] = ()
    removals: tuple[Removal, ...] = ()
    shown: tuple[ShownOnFrame, ...] = ()

    @classmethod
    def begin(
        cls,
        clicks: Sequence[Click],
        phrases: Sequence[str] = (),
        *,
        frame: int = 0,
        thresholds: Sequence[float | None] = (),
    ) -> Self:
        """Phrases, and one object for each click on one frame, with ids from 1 in their order."""
        timed = tuple(TimedClick(frame, number, click) for number, click in enumerate(clicks, start=1))
        return cls(tuple(phrases), tuple(thresholds), len(timed), timed)

    def threshold(self, phrase: int) -> float | None:
        """The threshold of a phrase by its index."""
        return self.thresholds[phrase] if self.thresholds else None

    def signature(self) -> dict[str, object]:
        """As JSON, for snapshots: a tracker goes on only with the prompts it was started with."""
        return {
            "phrases": list(self.phrases),
            "thresholds": list(self.thresholds),
            "objects": self.objects,
            "clicks": [[timed.frame, timed.id] for timed in self.clicks],
            "removals": [[removal.frame, removal.id] for removal in self.removals],
            "shown": [[shown.frame, shown.prompt] for shown in self.shown],
        }


@dataclass(frozen=True, slots=True)
class Tracked:
    """One object in one frame; `id` stays with the object through the video, from 1.

    `prompt` is the index of the phrase that found it; of a clicked object, the number of phrases + id - 1.
    """

    id: int
    mask: Mask
    box: Box
    score: float
    prompt: int
    label: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What a tracker found in one frame; `pts` counts ticks of the time base."""

    index: int
    pts: int
    objects: tuple[Tracked, ...]


class Tracker(Protocol):
    """Follows objects through one video in constant memory; its frames may also come in descending order."""

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Take the next frame; give the results that are final now (none, one or several)."""
        ...

    def finish(self) -> Sequence[FrameResult]:
        """Give what was held back when the video ends."""
        ...

    def snapshot(self) -> bytes:
        """The whole state as bytes (JSON or npz, never pickle), for a checkpoint."""
        ...


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
        """Embed once; the same key gives the cached handle."""
        ...

    def check(self, phrases: Sequence[str]) -> None:
        """Raise UnknownPhrase for the first phrase this engine can never answer."""
        ...

    def ground(
        self,
        handle: ImageHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
    ) -> list[Segmented]:
        """All instances of each phrase, best first within a phrase.

        `thresholds` has one value a phrase, None for the engine's own; empty means None for all.
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
    ) -> list[Segmented]:
        """All instances that look like the boxes labelled 1 and unlike those labelled 0, best first.

        `shown` says in which image each box lies, None for `handle` itself; empty means None for all.
        Raises RequestRefused (`exemplars_other_image`) where the model takes boxes of the image itself alone.
        """
        ...

    def segment(self, handle: ImageHandle, clicks: Sequence[Click]) -> list[Segmented]:
        """Exactly one instance per click, in the order of the clicks."""
        ...

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker for one video; `state` is a snapshot to go on from."""
        ...


Frames = Iterable[VideoFrame]
