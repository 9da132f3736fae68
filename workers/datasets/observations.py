"""What is known of the tracks of a clip after its frames were read once."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workers.datasets.appearance.crops import Crop
from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.schema import FrameRow
from workers.engines.protocols import Box
from workers.formats.rle import Rle


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackObservation:
    """One track in one frame, in pixels of the stored frame.

    `frame` counts from 0 within the clip, `box` encloses the mask, `area` is its pixels. `depth` is the
    median z-depth and `points` are samples (N, 3) of the visible surface in camera axes, both None without
    depth.
    """

    frame: int
    box: Box
    score: float | None
    mask: Rle
    area: int
    depth: float | None
    points: NDArray[np.float64] | None
    flags: tuple[str, ...]


@dataclass(slots=True)
class TrackedClip:
    """Everything that later stages need of a clip's frames; all but `frames` by track.

    `size` is (height, width) of the stored frames. `prompts` has the index of the phrase that found a track.
    `track_flags` has the flags of tracks that are not as the engine gave them.
    `searched` counts the frames of which the engine returned a result. `camera_is_still` says that the camera
    did not move.
    """

    size: tuple[int, int] = (0, 0)
    frames: list[FrameRow] = field(default_factory=list)
    observations: dict[int, list[TrackObservation]] = field(default_factory=dict)
    prompts: dict[int, int] = field(default_factory=dict)
    labels: dict[int, str | None] = field(default_factory=dict)
    crops: dict[int, list[Crop]] = field(default_factory=dict)
    stats: dict[int, TrackStats] = field(default_factory=dict)
    track_flags: dict[int, tuple[str, ...]] = field(default_factory=dict)
    searched: int = 0
    camera_is_still: bool = False

    @property
    def was_searched(self) -> bool:
        """Whether every frame was searched, so that what was not found is not there."""
        return self.searched == len(self.frames)
