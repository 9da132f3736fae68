"""What the pipeline needs of the world around it: a job of the service, or a folder."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workers.datasets.source import Source, Tracks
from workers.datasets.stages.shots import ClipPlan
from workers.engines.protocols import EngineInfo, Rgb


class Ports(Protocol):
    """Storage, memory and ears."""

    def progress(self, stage: str, done: int, total: int | None, message: str | None = None) -> None:
        """Tell how far the work is; may raise to stop it."""
        ...

    def store(self, name: str, role: str, media_type: str, data: bytes) -> str:
        """Keep a file of the result and give its sha256; the same content again changes nothing."""
        ...

    def recall(self, key: str) -> bytes | None:
        """What `remember` kept under a key, in this run or one that was interrupted."""
        ...

    def remember(self, key: str, data: bytes) -> None:
        """Keep the output of a stage; the first that is kept under a key stays."""
        ...


class TrackMaker(Protocol):
    """Makes the tracks of a clip: a concept engine, or an oracle."""

    @property
    def info(self) -> EngineInfo:
        """Who follows."""
        ...

    def tracks(self, source: Source, plan: ClipPlan) -> Tracks:
        """A fresh follower for one clip."""
        ...


class Encoder(Protocol):
    """Turns crops into vectors; a plug-in, none by default."""

    name: str
    weights: dict[str, str]

    def encode(self, crops: Sequence[Rgb]) -> NDArray[np.float32]:
        """Vectors f32 (N, D) of N RGB crops."""
        ...
