"""The record of one clip, the same in memory and on disk; exporters read nothing else."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.datasets import oriented_boxes
from workers.datasets.schema import (
    ActionRow,
    AssetRow,
    CameraRow,
    CaptionRow,
    ChangeRow,
    ClipRow,
    ConceptRow,
    DecisionRow,
    FeatureRow,
    FrameRow,
    LineageRow,
    ObservationRow,
    ScoreRow,
    SourceRow,
    TrackRow,
)
from workers.formats.rle import decode_mask
from workers.geometry.poses import matrix_from_quaternion

# reads the rows of a table by its name
LoadRows = Callable[[str], Sequence[Any]]


class SceneClip:
    """One clip: its rows of every table, read on first use, and the arrays that they stand for.

    Only kept tracks have observations. `frame` arguments count from 0 within the clip.
    """

    def __init__(self, row: ClipRow, source: SourceRow, load: LoadRows) -> None:
        self.row = row
        self.source = source
        self._load = load

    @classmethod
    def from_tables(cls, row: ClipRow, source: SourceRow, tables: Mapping[str, Sequence[Any]]) -> "SceneClip":
        """A clip from rows in memory; tables that are absent are empty."""
        return cls(row, source, lambda name: tables.get(name, ()))

    @property
    def id(self) -> str:
        """Id of the clip."""
        return self.row.clip

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the stored frames in pixels."""
        return self.row.height, self.row.width

    def __len__(self) -> int:
        return self.row.frames

    def __repr__(self) -> str:
        return f"<SceneClip {self.id} {self.row.frames} frames, {len(self.tracks)} tracks>"

    @cached_property
    def frames(self) -> list[FrameRow]:
        """Stored frames, in order."""
        return list(self._load("frames"))

    @cached_property
    def cameras(self) -> list[CameraRow]:
        """One camera per frame, in order."""
        return list(self._load("cameras"))

    @cached_property
    def all_tracks(self) -> list[TrackRow]:
        """All tracks, including rejected ones, by id."""
        return list(self._load("tracks"))

    @cached_property
    def tracks(self) -> list[TrackRow]:
        """The kept tracks, by id."""
        return [track for track in self.all_tracks if track.kept]

    @cached_property
    def observations(self) -> list[ObservationRow]:
        """Observations of the kept tracks, by frame and then by track."""
        return list(self._load("observations"))

    @cached_property
    def rejected_observations(self) -> list[ObservationRow]:
        """Observations of the rejected tracks; versions of earlier releases have none."""
        return list(self._load("rejected_observations"))

    @cached_property
    def rejected_features(self) -> list[FeatureRow]:
        """Reference crops of the rejected tracks."""
        return list(self._load("rejected_features"))

    @cached_property
    def features(self) -> list[FeatureRow]:
        """Reference crops and vectors, by track, kind and rank."""
        return list(self._load("features"))

    @cached_property
    def assets(self) -> list[AssetRow]:
        """3D assets; `Dataset.path` gives their files."""
        return list(self._load("assets"))

    @cached_property
    def actions(self) -> list[ActionRow]:
        """Actions, by kind and frame."""
        return list(self._load("actions"))

    @cached_property
    def changes(self) -> list[ChangeRow]:
        """What changed between pairs of frames, pair by pair; the other frame may be that of another clip."""
        return list(self._load("changes"))

    @cached_property
    def captions(self) -> list[CaptionRow]:
        """Captions of the clip (track is None) and of its tracks that passed the gate `caption_alignment`."""
        return [row for row in self.all_captions if row.kept is not False]

    @cached_property
    def all_captions(self) -> list[CaptionRow]:
        """All captions, including rejected ones."""
        return list(self._load("captions"))

    @cached_property
    def concepts(self) -> list[ConceptRow]:
        """The phrases of the job; those with found = 0 are negatives."""
        return list(self._load("concepts"))

    @cached_property
    def scores(self) -> list[ScoreRow]:
        """Measurements of the clip and its tracks."""
        return list(self._load("scores"))

    @cached_property
    def decisions(self) -> list[DecisionRow]:
        """Decisions of the gates."""
        return list(self._load("decisions"))

    @cached_property
    def lineage(self) -> list[LineageRow]:
        """Provenance of the rows, by stage."""
        return list(self._load("lineage"))

    @cached_property
    def _by_frame(self) -> dict[int, list[ObservationRow]]:
        by_frame: dict[int, list[ObservationRow]] = {}
        for row in self.observations:
            by_frame.setdefault(row.frame, []).append(row)
        return by_frame

    def frame_observations(self, frame: int) -> list[ObservationRow]:
        """The observations of a frame, by track."""
        return self._by_frame.get(frame, [])

    def track_observations(self, track: int) -> list[ObservationRow]:
        """The observations of a track, by frame."""
        return [row for row in self.observations if row.track == track]

    @property
    def has_poses(self) -> bool:
        """Whether the camera's pose is known in every frame."""
        return all(row.world_from_cam is not None for row in self.cameras)

    @property
    def caption(self) -> str | None:
        """The first caption of the clip itself; None without one."""
        return next((row.text for row in self.captions if row.track is None), None)

    def timestamps(self) -> NDArray[np.float64]:
        """Times of the frames in the source, in seconds (T,)."""
        ticks = np.array([row.pts for row in self.frames], np.float64)
        return ticks * self.source.time_base_numerator / self.source.time_base_denominator

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """RGB (H, W, 3) of every frame, in order; each is decoded when it is reached."""
        return (self.image(frame) for frame in range(len(self)))

    def image(self, frame: int) -> NDArray[np.uint8]:
        """The frame as RGB u8 (H, W, 3)."""
        with Image.open(io.BytesIO(self.frames[frame].jpeg)) as image:
            return np.asarray(image.convert("RGB"))

    def depth(self, frame: int) -> NDArray[np.float32] | None:
        """z-depth f32 (H, W), NaN where unknown; None for a frame without depth."""
        row = self.frames[frame]
        if row.depth_png is None or row.depth_unit is None:
            return None
        with Image.open(io.BytesIO(row.depth_png)) as image:
            levels = np.asarray(image).astype(np.float32)
        return np.asarray(np.where(levels > 0, levels * np.float32(row.depth_unit), np.float32(np.nan)))

    def intrinsics(self, frame: int) -> NDArray[np.float64]:
        """Intrinsic matrix (3, 3) in pixels of the stored frame."""
        camera = self.cameras[frame]
        return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], np.float64)

    def world_from_cam(self, frame: int) -> NDArray[np.float64] | None:
        """The pose of the camera (4, 4), rigid; None where it is unknown."""
        pose = self.cameras[frame].world_from_cam
        return None if pose is None else np.array(pose, np.float64).reshape(4, 4)

    def mask(self, row: ObservationRow) -> NDArray[np.bool_]:
        """The visible mask of an observation, bool (H, W)."""
        return decode_mask({"size": [row.mask_height, row.mask_width], "counts": row.mask_counts})

    def masks(self, frame: int) -> dict[int, NDArray[np.bool_]]:
        """The masks of a frame by track."""
        return {row.track: self.mask(row) for row in self.frame_observations(frame)}

    def segmentation(self, frame: int) -> NDArray[np.int32]:
        """Track ids i32 (H, W), 0 is background; where masks overlap the smaller one is on top."""
        out = np.zeros(self.size, np.int32)
        for row in sorted(self.frame_observations(frame), key=lambda row: -row.area):
            out[self.mask(row)] = row.track
        return out

    def corners(self, row: ObservationRow, *, world: bool = False) -> NDArray[np.float64] | None:
        """Corners of the 3D box (8, 3), product((-, +), repeat=3) over x, y, z; None where unknown.

        In camera axes, or in the world.
        """
        center = row.center_world if world else row.center_cam
        rotation = row.rotation_world if world else row.rotation_cam
        if center is None or rotation is None or row.size is None:
            return None
        return oriented_boxes.compute_corners(center, row.size, rotation)

    def world_from_object(self, row: ObservationRow) -> NDArray[np.float64] | None:
        """The pose of the 3D box (4, 4) in the world; None where unknown."""
        if row.center_world is None or row.rotation_world is None:
            return None
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = matrix_from_quaternion(row.rotation_world), row.center_world
        return out
