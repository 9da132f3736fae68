"""A dataset folder: its clips, and the columns of one clip as arrays, read when they are asked for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maquette.data import tables
from maquette.data.errors import DataError
from maquette.data.tables import ColumnReader, PackedStrings

SCHEMA_VERSION = 2
FOCAL = ("fx", "fy", "cx", "cy")
BOX = ("x0", "y0", "x1", "y1")
SOLID = (("center_cam", 3), ("rotation_cam", 4), ("size", 3))


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """A kept clip; sizes in pixels."""

    clip: str
    frames: int
    height: int
    width: int
    split: str


@dataclass(frozen=True, slots=True)
class Observations:
    """The N observations of a clip.

    frame and track i64 (N,); boxes f32 (N, 4) xyxy pixels; counts: COCO RLE of N masks; boxes_3d f32 (N, 10)
    centre, rotation wxyz and size in camera axes, NaN unknown.
    """

    frame: NDArray[np.int64]
    track: NDArray[np.int64]
    boxes: NDArray[np.float32]
    counts: PackedStrings
    boxes_3d: NDArray[np.float32]


class DatasetFolder:
    """A dataset folder, as `maquette dataset` writes it; raises DataError."""

    def __init__(self, folder: Path | str) -> None:
        self.path = Path(folder)
        manifest = self.path / "dataset.json"
        if not manifest.is_file():
            raise DataError("dataset_missing", f"{self.path} holds no dataset.json: it is no dataset")
        try:
            content = json.loads(manifest.read_bytes())
            version, listed = content["schema_version"], content["tables"]
            self._files: dict[tuple[str, str | None], str] = {
                (name, file.get("clip")): file["name"] for name, files in listed.items() for file in files
            }
            whole = [file["name"] for file in listed["clips"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("dataset_broken", f"{manifest} cannot be read: {error}") from error
        if version != SCHEMA_VERSION:
            raise DataError(
                "dataset_incompatible", f"schema version {version} cannot be read, only {SCHEMA_VERSION}"
            )
        self.clips = [entry for name in sorted(whole) for entry in self._entries(name)]

    def read(self, table: str, clip: str, columns: Sequence[str]) -> ColumnReader | None:
        """Columns of a clip's rows in a table; None when it has none."""
        name = self._files.get((table, clip))
        return None if name is None else tables.read(self._place(name), columns)

    def _entries(self, name: str) -> list[ClipEntry]:
        names = ("clip", "frames", "height", "width", "split", "kept")
        columns = tables.read(self._place(name), names)
        rows = zip(*(columns.values(column) for column in names), strict=True)
        return [ClipEntry(*row[:5]) for row in rows if row[5]]

    def _place(self, name: str) -> Path:
        # names come from a file that somebody else wrote
        return self.path / Path(name).name


class ClipArrays:
    """The light parts of one clip, a few ten kilobytes; each is read once."""

    def __init__(self, folder: DatasetFolder, clip: str) -> None:
        self._folder, self._clip = folder, clip

    @cached_property
    def observations(self) -> Observations:
        """What was observed."""
        names = ("frame", "track", *BOX, "mask_counts", *(name for name, _ in SOLID))
        columns = self._folder.read("observations", self._clip, names)
        if columns is None:
            none = np.zeros(0, np.int64)
            nowhere = np.zeros((0, 4), np.float32), np.zeros((0, 10), np.float32)
            return Observations(none, none, nowhere[0], PackedStrings.pack(()), nowhere[1])
        return Observations(
            frame=columns.numbers("frame"),
            track=columns.numbers("track"),
            boxes=np.stack([columns.numbers(name) for name in BOX], axis=1).astype(np.float32),
            counts=columns.strings("mask_counts"),
            boxes_3d=np.concatenate([columns.lists(*part) for part in SOLID], axis=1).astype(np.float32),
        )

    @cached_property
    def cameras(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """fx fy cx cy (T, 4) in pixels, and world_from_cam (T, 4, 4), NaN unknown."""
        columns = self._folder.read("cameras", self._clip, (*FOCAL, "world_from_cam"))
        if columns is None:
            raise DataError("dataset_broken", f"clip {self._clip} has no cameras")
        focal = np.stack([columns.numbers(name) for name in FOCAL], axis=1)
        return focal, columns.lists("world_from_cam", 16).reshape(-1, 4, 4)

    @cached_property
    def actions(self) -> list[tuple[int, list[str], list[float]]]:
        """Frame, names and values of every action."""
        names = ("frame", "names", "values")
        columns = self._folder.read("actions", self._clip, names)
        return [] if columns is None else list(zip(*(columns.values(n) for n in names), strict=True))


class ClipImages:
    """The heavy parts of one clip: JPEG of every frame, and z-depth as PNG with its unit where it is read."""

    def __init__(self, folder: DatasetFolder, clip: str, *, depth: bool) -> None:
        names = ("jpeg", "depth_png", "depth_unit") if depth else ("jpeg",)
        columns = folder.read("frames", clip, names)
        if columns is None:
            raise DataError("dataset_broken", f"clip {clip} has no frames")
        # as they lie in the file: a window wants few of them
        self._columns = columns

    def jpeg(self, frame: int) -> bytes:
        """The picture of a frame."""
        found: bytes = self._columns.value("jpeg", frame)
        return found

    def depth(self, frame: int) -> tuple[bytes | None, float | None]:
        """The depth of a frame and the metres of one level, None where unknown."""
        return self._columns.value("depth_png", frame), self._columns.value("depth_unit", frame)
