"""What the pipeline reads: a video that can be decoded again, and what is known about it beforehand."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from maquette.contract.datasets import SourceInfo
from numpy.typing import NDArray

from media.sandbox import DecodedFrame
from workers.engines.protocols import FrameResult, Rgb

FrameStream = Generator[DecodedFrame, None, None]


@dataclass(frozen=True, slots=True)
class KnownBox:
    """An oriented box that is known: pose in the world (4, 4), rigid, and full edge lengths (3,)."""

    world_from_object: NDArray[np.float64]
    size: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What an oracle knows of a source; each function takes the index of a decoded frame.

    `objects` gives masks by id at the source's size, `labels` names ids. `depth` is z f32 (H, W), NaN where
    unknown. `boxes` gives known boxes by id, in the world of `SourceInfo.world_from_cam`.
    """

    objects: Callable[[int], Mapping[int, NDArray[np.bool_]]] | None = None
    labels: Mapping[int, str] = field(default_factory=dict)
    depth: Callable[[int], NDArray[np.float32] | None] | None = None
    boxes: Callable[[int], Mapping[int, KnownBox]] | None = None


class DepthReader(Protocol):
    """The depth of a source's decoded frames, asked for in their order."""

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """z f32 (H, W) at the source's size, NaN where unknown; None where nothing is known of a frame.

        Raises DatasetError or MediaError for depth that does not fit or cannot be read.
        """
        ...

    def close(self) -> None:
        """Free the decoder."""
        ...


@dataclass(frozen=True, slots=True)
class KnownDepth:
    """Depth that an oracle tells, or that nobody does."""

    depth: Callable[[int], NDArray[np.float32] | None] | None

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """What the oracle tells."""
        return None if self.depth is None else self.depth(frame)

    def close(self) -> None:
        """Nothing is open."""
        return


@dataclass(frozen=True, slots=True)
class SourceFrames:
    """A video that is being decoded: seconds of a tick as a fraction, and its frames."""

    time_base: tuple[int, int]
    frames: FrameStream

    def close(self) -> None:
        """Free the decoder."""
        self.frames.close()


@dataclass(frozen=True, slots=True)
class Source:
    """A video of the dataset.

    `open(first, count)` decodes `count` frames (None: all) from frame `first` on; one video at a time.
    `depth(first, last)` opens its depth for these frames, while they are decoded.
    """

    sha256: str
    width: int
    height: int
    frame_count: int | None
    frame_rate: float | None
    open: Callable[[int, int | None], SourceFrames]
    info: SourceInfo = field(default_factory=SourceInfo)
    truth: GroundTruth = field(default_factory=GroundTruth)
    depth: Callable[[int, int], DepthReader] | None = None

    @property
    def has_depth(self) -> bool:
        """Whether depth came with it."""
        return self.depth is not None or self.truth.depth is not None

    def depths(self, first: int, last: int) -> DepthReader:
        """The depth of frames `first` to `last`; close it after use."""
        return KnownDepth(self.truth.depth) if self.depth is None else self.depth(first, last)


class ClipTracker(Protocol):
    """Follows objects through the frames of one clip; an engine's tracker, or an oracle."""

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        """Take the next frame of the clip; give the results that are final now."""
        ...

    def finish(self) -> Sequence[FrameResult]:
        """Give what was held back."""
        ...
