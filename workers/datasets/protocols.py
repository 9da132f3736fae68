"""What the pipeline needs from outside: a place to store its output, a tracker, and plug-ins."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workers.datasets.clip_plan import ClipPlan
from workers.datasets.source import Source
from workers.engines.protocols import EngineInfo, FrameResult, Rgb


class Workspace(Protocol):
    """Where a run keeps its files and cache, and reports its progress: a folder, or a job of the service."""

    def report_progress(self, stage: str, done: int, total: int | None, message: str | None = None) -> None:
        """Report how far a stage is; may raise to stop the run."""
        ...

    def store(self, name: str, role: str, media_type: str, data: bytes) -> str:
        """Store a file of the result and return its sha256; storing it again changes nothing."""
        ...

    def load(self, sha256: str) -> bytes:
        """The content of a stored file."""
        ...

    def get_cached(self, key: str) -> bytes | None:
        """What `put_cached` kept under a key, in this run or one that was interrupted."""
        ...

    def put_cached(self, key: str, data: bytes) -> None:
        """Keep the output of a stage; what is kept under a key first stays."""
        ...


class ClipTracker(Protocol):
    """Tracks objects through the frames of one clip, in order."""

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        """Take the next frame and return the results that are final now.

        `source_frame` counts the decoded frames of the source and `frame` those of the clip, both from 0.
        """
        ...

    def finish(self) -> Iterable[FrameResult]:
        """The results that were held back; a generator computes while it is read, and has to be closed."""
        ...


class TrackSource(Protocol):
    """Where the tracks of clips come from: a concept engine, or an oracle."""

    @property
    def info(self) -> EngineInfo:
        """The engine, for keys, placement and provenance."""
        ...

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """A new tracker for one clip."""
        ...


class Captioner(Protocol):
    """Describes images; entry point group `maquette.captions`, called without arguments."""

    @property
    def info(self) -> EngineInfo:
        """The engine; its kind is captions."""
        ...

    def describe(self, image: Rgb, mask: NDArray[np.bool_] | None = None) -> str:
        """English about an RGB image u8 (H, W, 3), or about what its mask (H, W) covers; may be empty."""
        ...


# an image as for `describe`, and its mask
MaskedImage = tuple[Rgb, NDArray[np.bool_] | None]


@runtime_checkable
class BatchCaptioner(Captioner, Protocol):
    """A captioner that takes several images in one forward pass; `describe` is then not called."""

    def describe_all(self, views: Sequence[MaskedImage]) -> Sequence[str]:
        """What `describe` would return for each image, in order; gets at most 16 at once."""
        ...


class InverseDynamics(Protocol):
    """Infers the actions between frames; entry point group `maquette.actions`, called without arguments."""

    name: str
    weights: dict[str, str]
    names: tuple[str, ...]

    def actions(self, frames: Iterable[Rgb], seconds: Sequence[float]) -> NDArray[np.float32]:
        """Values f32 (T - 1, len(names)) between T frames of RGB u8 (H, W, 3) at the times `seconds` (T,)."""
        ...


class CropEncoder(Protocol):
    """Turns reference crops into vectors; a plug-in, none by default."""

    name: str
    weights: dict[str, str]

    def encode(self, crops: Sequence[Rgb]) -> NDArray[np.float32]:
        """Vectors f32 (N, D) of N RGB crops u8 (H, W, 3), at most 32 at once."""
        ...
