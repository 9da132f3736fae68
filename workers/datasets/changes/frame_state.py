"""What is known of one frame: the tracks in it, those shortly before and after it, and its camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import CameraRow, ClipRow, ObservationRow, TrackRow

# seconds: a track that is not seen for less is lost for a moment, not gone (the gates flicker and
# reidentification divide gaps there too)
MOMENT = 0.125


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameState:
    """A frame of a clip. `rows` are its observations by track; `nearest` has for every other track of the
    clip its observation that is nearest in time, and how many seconds away that is.
    """

    clip: ClipRow
    frame: int
    camera: CameraRow
    rows: Mapping[int, ObservationRow]
    nearest: Mapping[int, tuple[ObservationRow, float]]
    labels: Mapping[int, str]

    @property
    def world_from_cam(self) -> NDArray[np.float64] | None:
        """The pose of the camera (4, 4); None where it is unknown."""
        pose = self.camera.world_from_cam
        return None if pose is None else np.array(pose, np.float64).reshape(4, 4)


@dataclass(frozen=True, slots=True)
class ClipStates:
    """The frames of a clip, each as a `FrameState`; those of videos with a variable rate count as even."""

    row: ClipRow
    tracks: Sequence[TrackRow]
    observations: Sequence[ObservationRow]
    cameras: Sequence[CameraRow]

    @classmethod
    def from_clip(cls, clip: SceneClip) -> "ClipStates":
        """The frames of a clip of the record."""
        return cls(clip.row, clip.tracks, clip.observations, clip.cameras)

    def at(self, frame: int) -> FrameState:
        """The state at a frame, counted from 0 within the clip."""
        rows = {row.track: row for row in self.observations if row.frame == frame}
        step = (self.row.end_seconds - self.row.start_seconds) / max(1, self.row.frames - 1)
        nearest: dict[int, tuple[ObservationRow, float]] = {}
        for row in self.observations:
            seconds = abs(row.frame - frame) * step
            if row.track not in rows and (row.track not in nearest or seconds < nearest[row.track][1]):
                nearest[row.track] = row, seconds
        return FrameState(
            clip=self.row,
            frame=frame,
            camera=self.cameras[frame],
            rows=rows,
            nearest=nearest,
            labels={track.track: track.label or track.concept or "object" for track in self.tracks},
        )
