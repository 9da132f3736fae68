"""What the pipeline needs of the world around it: a job of the service, or a folder."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.source import ClipTracker, Source
from workers.engines.protocols import EngineInfo, Rgb


class Workspace(Protocol):
    """Storage, memory and ears."""

    def report_progress(self, stage: str, done: int, total: int | None, message: str | None = None) -> None:
        """Tell how far the work is; may raise to stop it."""
        ...

    def store(self, name: str, role: str, media_type: str, data: bytes) -> str:
        """Keep a file of the result and give its sha256; the same content again changes nothing."""
        ...

    def load(self, sha256: str) -> bytes:
        """The content of a file that was stored."""
        ...

    def get_cached(self, key: str) -> bytes | None:
        """What `put_cached` kept under a key, in this run or one that was interrupted."""
        ...

    def put_cached(self, key: str, data: bytes) -> None:
        """Keep the output of a stage; the first that is kept under a key stays."""
        ...


class TrackSource(Protocol):
    """Makes the tracks of a clip: a concept engine, or an oracle."""

    @property
    def info(self) -> EngineInfo:
        """Who follows."""
        ...

    def tracks(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """A fresh follower for one clip."""
        ...


class Captioner(Protocol):
    """Says in words what it sees; entry point group `maquette.captions`, called without arguments."""

    @property
    def info(self) -> EngineInfo:
        """Who describes; its kind is captions."""
        ...

    def describe(self, image: Rgb, mask: NDArray[np.bool_] | None = None) -> str:
        """English about an RGB image u8 (H, W, 3), or about what its mask (H, W) covers; empty: nothing."""
        ...


# an image as for `describe`, and its mask
MaskedImage = tuple[Rgb, NDArray[np.bool_] | None]


@runtime_checkable
class BatchCaptioner(Captioner, Protocol):
    """A captioner that looks at several views in one forward; it is then asked for no single one."""

    def describe_all(self, views: Sequence[MaskedImage]) -> Sequence[str]:
        """What `describe` says of each view, in order; at most 16 at once."""
        ...


class InverseDynamics(Protocol):
    """Tells which actions led from frame to frame; entry point group `maquette.actions`, as above."""

    name: str
    weights: dict[str, str]
    names: tuple[str, ...]

    def actions(self, frames: Iterable[Rgb], seconds: Sequence[float]) -> NDArray[np.float32]:
        """Values f32 (T - 1, len(names)) between T frames of RGB u8 (H, W, 3), shown at `seconds` (T,)."""
        ...


class CropEncoder(Protocol):
    """Turns crops into vectors; a plug-in, none by default."""

    name: str
    weights: dict[str, str]

    def encode(self, crops: Sequence[Rgb]) -> NDArray[np.float32]:
        """Vectors f32 (N, D) of N RGB crops, at most 32 at once."""
        ...
