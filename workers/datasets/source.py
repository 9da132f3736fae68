"""A video of a dataset: how it is decoded, and what is known about it beforehand."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from maquette.contract.datasets import SourceInfo
from numpy.typing import NDArray

from media.sandbox import DecodedFrame

FrameStream = Generator[DecodedFrame, None, None]


@dataclass(frozen=True, slots=True)
class KnownBox:
    """A known oriented box: its pose in the world (4, 4), rigid, and its full edge lengths (3,)."""

    world_from_object: NDArray[np.float64]
    size: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What is known exactly about a source; each function takes the index of a decoded frame.

    `objects` returns masks (H, W) by id at the source's size, `labels` names ids. `depth` returns z f32 (H,
    W), NaN where unknown. `boxes` returns boxes by id, in the world of `SourceInfo.world_from_cam`.
    """

    objects: Callable[[int], Mapping[int, NDArray[np.bool_]]] | None = None
    labels: Mapping[int, str] = field(default_factory=dict)
    depth: Callable[[int], NDArray[np.float32] | None] | None = None
    boxes: Callable[[int], Mapping[int, KnownBox]] | None = None


class DepthReader(Protocol):
    """The depth of a source's decoded frames, read in their order."""

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """z f32 (H, W) at the source's size, NaN where unknown; None for a frame without depth.

        Raises DatasetError or MediaError for depth that does not fit or cannot be read.
        """
        ...

    def close(self) -> None:
        """Free the decoder."""
        ...


@dataclass(frozen=True, slots=True)
class KnownDepth:
    """Depth from ground truth, or none."""

    depth: Callable[[int], NDArray[np.float32] | None] | None

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """z of a frame, None without ground truth."""
        return None if self.depth is None else self.depth(frame)

    def close(self) -> None:
        """Do nothing: nothing is open."""


@dataclass(frozen=True, slots=True)
class SourceFrames:
    """A video that is being decoded: seconds per tick as a fraction, and its frames."""

    time_base: tuple[int, int]
    frames: FrameStream

    def close(self) -> None:
        """Free the decoder."""
        self.frames.close()


@dataclass(frozen=True, slots=True)
class Source:
    """A video of the dataset.

    `open(first, count)` decodes `count` frames (None: all) from frame `first` on; one video at a time.
    `depth(first, last)` opens the depth of these frames, to be read while they are decoded. `flags` are what
    the probe of the file found.
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
    flags: tuple[str, ...] = ()

    @property
    def has_depth(self) -> bool:
        """Whether depth came with it."""
        return self.depth is not None or self.truth.depth is not None

    def open_depth(self, first: int, last: int) -> DepthReader:
        """The depth of frames `first` to `last`; close it after use."""
        return KnownDepth(self.truth.depth) if self.depth is None else self.depth(first, last)
