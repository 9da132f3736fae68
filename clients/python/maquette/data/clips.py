"""A dataset folder: its clips, and the columns of one clip as arrays, read on first use."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maquette.data import tables
from maquette.data.errors import DataError
from maquette.data.tables import ColumnReader, PackedStrings

SCHEMA_VERSION = 3
# columns that earlier versions lack are null
READABLE_VERSIONS = (2, SCHEMA_VERSION)
INTRINSICS = ("fx", "fy", "cx", "cy")
BOX = ("x0", "y0", "x1", "y1")
# columns of a 3D box with their lengths
BOX_3D = (("center_cam", 3), ("rotation_cam", 4), ("size", 3))


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """A kept clip; `height` and `width` in pixels."""

    clip: str
    frames: int
    height: int
    width: int
    split: str


@dataclass(frozen=True, slots=True)
class Observations:
    """The N observations of a clip.

    `frame` and `track` i64 (N,); `boxes` f32 (N, 4) xyxy in pixels; `counts`: the COCO RLE of N masks;
    `boxes_3d` f32 (N, 10): centre, rotation wxyz and size in camera axes, NaN unknown.
    """

    frame: NDArray[np.int64]
    track: NDArray[np.int64]
    boxes: NDArray[np.float32]
    counts: PackedStrings
    boxes_3d: NDArray[np.float32]

    @classmethod
    def empty(cls) -> "Observations":
        """The observations of a clip without any."""
        none = np.zeros(0, np.int64)
        boxes, boxes_3d = np.zeros((0, 4), np.float32), np.zeros((0, 10), np.float32)
        return cls(none, none, boxes, PackedStrings.pack(()), boxes_3d)


class DatasetFolder:
    """A dataset folder, as `maquette dataset` writes it; raises DataError."""

    def __init__(self, folder: Path | str) -> None:
        self.path = Path(folder)
        manifest = self.path / "dataset.json"
        if not manifest.is_file():
            raise DataError("dataset_missing", f"{self.path} is not a dataset: it has no dataset.json")
        try:
            content = json.loads(manifest.read_bytes())
            version, listed = content["schema_version"], content["tables"]
            self._files: dict[tuple[str, str | None], str] = {
                (name, file.get("clip")): file["name"] for name, files in listed.items() for file in files
            }
            clip_files = [file["name"] for file in listed["clips"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("dataset_broken", f"{manifest} cannot be read: {error}") from error
        if version not in READABLE_VERSIONS:
            raise DataError(
                "dataset_incompatible",
                f"this release reads schema versions {', '.join(map(str, READABLE_VERSIONS))}; "
                f"the dataset has {version}",
            )
        self.clips = [entry for name in sorted(clip_files) for entry in self._read_entries(name)]

    def read(self, table: str, clip: str, columns: Sequence[str]) -> ColumnReader | None:
        """Columns of the rows of a clip in a table; None when it has none."""
        name = self._files.get((table, clip))
        return None if name is None else tables.read(self._locate(name), columns)

    def read_rows(
        self, table: str, columns: Sequence[str], optional: Sequence[str] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Columns of all rows of a table, as Python values; an `optional` one that is not there is None."""
        for (name, _), file in sorted(self._files.items(), key=lambda item: item[1]):
            if name == table:
                read = tables.read(self._locate(file), columns, optional)
                yield from zip(*(read.values(column) for column in (*columns, *optional)), strict=True)

    def _read_entries(self, name: str) -> list[ClipEntry]:
        names = ("clip", "frames", "height", "width", "split", "kept")
        columns = tables.read(self._locate(name), names)
        rows = zip(*(columns.values(column) for column in names), strict=True)
        return [ClipEntry(*row[:5]) for row in rows if row[5]]

    def _locate(self, name: str) -> Path:
        # names in a manifest are not trusted: a path must not leave the folder
        return self.path / Path(name).name


class ClipArrays:
    """Everything of a clip but images and depth, some ten kilobytes; each array is read once."""

    def __init__(self, folder: DatasetFolder, clip: str) -> None:
        self._folder, self._clip = folder, clip

    @cached_property
    def observations(self) -> Observations:
        """Boxes and masks of the tracks."""
        names = ("frame", "track", *BOX, "mask_counts", *(name for name, _ in BOX_3D))
        columns = self._folder.read("observations", self._clip, names)
        if columns is None:
            return Observations.empty()
        return Observations(
            frame=columns.numbers("frame"),
            track=columns.numbers("track"),
            boxes=np.stack([columns.numbers(name) for name in BOX], axis=1).astype(np.float32),
            counts=columns.strings("mask_counts"),
            boxes_3d=np.concatenate([columns.lists(*column) for column in BOX_3D], axis=1).astype(np.float32),
        )

    @cached_property
    def cameras(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """fx fy cx cy (T, 4) in pixels, and world_from_cam (T, 4, 4), NaN unknown."""
        columns = self._folder.read("cameras", self._clip, (*INTRINSICS, "world_from_cam"))
        if columns is None:
            raise DataError("dataset_broken", f"clip {self._clip} has no cameras")
        intrinsics = np.stack([columns.numbers(name) for name in INTRINSICS], axis=1)
        return intrinsics, columns.lists("world_from_cam", 16).reshape(-1, 4, 4)

    @cached_property
    def actions(self) -> list[tuple[int, list[str], list[float]]]:
        """Frame, names and values of every action."""
        names = ("frame", "names", "values")
        columns = self._folder.read("actions", self._clip, names)
        return [] if columns is None else list(zip(*(columns.values(name) for name in names), strict=True))


class ClipImages:
    """The JPEG of every frame of a clip and, with `depth`, its z-depth as PNG with its unit."""

    def __init__(self, folder: DatasetFolder, clip: str, *, depth: bool) -> None:
        names = ("jpeg", "depth_png", "depth_unit") if depth else ("jpeg",)
        columns = folder.read("frames", clip, names)
        if columns is None:
            raise DataError("dataset_broken", f"clip {clip} has no frames")
        # values are taken out one by one, because a window needs few of them
        self._columns = columns

    def jpeg(self, frame: int) -> bytes:
        """The image of a frame."""
        data: bytes = self._columns.value("jpeg", frame)
        return data

    def depth(self, frame: int) -> tuple[bytes | None, float | None]:
        """The depth PNG of a frame and the metres per level, None where unknown."""
        return self._columns.value("depth_png", frame), self._columns.value("depth_unit", frame)
