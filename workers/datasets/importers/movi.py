"""MOVi / Kubric examples as SceneClips: those of TFDS, and the folders our own exporter writes."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.datasets import oriented_boxes
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.movi.example import LEVELS, compute_ray_lengths
from workers.datasets.exporters.shared.camera_axes import BLENDER_FROM_OPENCV
from workers.datasets.importers import movi_tfds
from workers.datasets.importers.clip_publishing import publish_clips
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import CameraRow, ClipRow, FrameRow, ObservationRow, SourceRow, TrackRow
from workers.datasets.shots.near_duplicates import PLACES, format_signature
from workers.datasets.shots.survey import compute_dct_hash, downscale
from workers.formats.rle import encode_mask
from workers.geometry.boxes import bounding_box
from workers.geometry.poses import matrix_from_quaternion, quaternion_from_matrix

Floats = NDArray[np.float64]
QUALITY = 95
# MOVi videos have 24 frames of 12 a second
RATE = 12.0
SPLITS = ("train", "val", "test")


def import_folder(folder: Path, out: Path) -> Path:
    """Write clips of MOVi's kind as a dataset in `out`: what the `movi` exporter wrote, `<split>/<clip>/`, or
    every dataset of TFDS in the folder (MOVi's own, or what `movi-tfds` wrote).

    Raises DatasetError `dataset_missing` when there is no example, `dataset_broken` for one that cannot be
    read, and `dataset_conflict` when `out` holds something already.
    """
    clips = [
        from_example(example, split=split)
        for part in movi_tfds.find_datasets(folder)
        for split, example in movi_tfds.read_examples(part)
    ]
    for split in SPLITS if not clips else ():
        for path in sorted(item for item in (folder / split).glob("*") if item.is_dir()):
            clips.append(from_example(read_example(path), split=split))
    if not clips:
        raise DatasetError("dataset_missing", f"{folder} holds no MOVi arrays, <split>/<clip>/, and no TFDS")
    publish_clips(clips, out, "movi")
    return out


def read_example(folder: Path) -> dict[str, Any]:
    """The arrays of one example's folder, named as TFDS names them."""
    try:
        made: dict[str, Any] = {"metadata": json.loads((folder / "metadata.json").read_text())}
        for name in ("video", "segmentations", "depth"):
            path = folder / f"{name}.npz"
            if path.is_file():
                made |= _arrays(path)
        for name in ("instances", "camera"):
            made[name] = _arrays(folder / f"{name}.npz")
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError("dataset_broken", f"{folder.name} cannot be read: {error}") from error
    return made


def from_example(example: Mapping[str, Any], *, split: str = "train") -> SceneClip:
    """A clip from the features of a MOVi example (names and shapes as `exporters.movi.build_example`).

    Frames become JPEG of quality 95. The world is Kubric's, in metres. Boxes come from `bboxes_3d`, whose
    corners are those of product((-, +), repeat=3) turned by `quaternions`. Instance k is track k + 1, kept
    with the frames in which its mask shows. Raises DatasetError `dataset_broken`.
    """
    try:
        return _ExampleParser(example).clip(split)
    except (KeyError, IndexError, ValueError) as error:
        raise DatasetError("dataset_broken", f"this is no MOVi example: {error!r}") from error


class _ExampleParser:
    def __init__(self, example: Mapping[str, Any]) -> None:
        self._video = np.asarray(example["video"], np.uint8)
        self._ids = np.asarray(example["segmentations"])[..., 0].astype(np.int64)
        self._meta, self._camera = example["metadata"], example["camera"]
        self._instances = example["instances"]
        self._count, self._height, self._width = self._video.shape[:3]
        if self._ids.shape != self._video.shape[:3]:
            raise ValueError(f"segmentations {self._ids.shape} for video {self._video.shape}")
        self._k = self._intrinsics()
        self._poses = self._world_from_cam()
        self._depth = self._z_depth(example)
        rate = float(self._meta.get("frame_rate") or np.nan)
        self._assumed = not np.isfinite(rate)
        self._rate = RATE if self._assumed else rate
        self._camera_source = _text(self._meta.get("camera_source")) or "given"
        self._intrinsics_source = _text(self._meta.get("intrinsics_source")) or "given"
        self._scale = _text(self._meta.get("scale_source")) or "metric"
        self._id = hashlib.sha256(self._video.tobytes() + self._ids.tobytes()).hexdigest()

    def clip(self, split: str) -> SceneClip:
        """The rows of the example."""
        observations = self._observations()
        source = SourceRow(
            source=self._id,
            name=_text(self._meta.get("video_name")),
            width=self._width,
            height=self._height,
            frames=self._count,
            frame_rate=self._rate,
            time_base_numerator=1,
            time_base_denominator=1_000_000,
            licence=_text(self._meta.get("licence")),
            consent=None,
            attribution=None,
            session=None,
            split_group=self._id,
            split=split,
            shots=1,
            flags=("time_assumed",) if self._assumed else (),
        )
        tables: dict[str, Sequence[Any]] = {
            "frames": [self._frame(frame) for frame in range(self._count)],
            "cameras": [self._camera_row(frame) for frame in range(self._count)],
            "tracks": self._tracks(observations),
            "observations": observations,
        }
        return SceneClip.from_tables(self._row(split), source, tables)

    @property
    def _clip(self) -> str:
        return self._id[:20]

    def _row(self, split: str) -> ClipRow:
        places = [min(self._count - 1, int(place * self._count)) for place in PLACES]
        hashes = np.array([compute_dct_hash(_luma(self._video[place])) for place in places], np.uint64)
        return ClipRow(
            clip=self._clip,
            source=self._id,
            session=None,
            split_group=self._id,
            split=split,
            shot=0,
            first_frame=0,
            last_frame=self._count - 1,
            frame_step=1,
            frames=self._count,
            start_seconds=0.0,
            end_seconds=(self._count - 1) / self._rate,
            frame_rate=self._rate if self._count > 1 else None,
            width=self._width,
            height=self._height,
            camera_source=self._camera_source,
            intrinsics_source=self._intrinsics_source,
            scale_source=self._scale,
            signature=format_signature(hashes),
            kept=True,
            flags=(),
        )

    def _intrinsics(self) -> Floats:
        focal = float(self._camera["focal_length"]) / float(self._camera["sensor_width"]) * self._width
        return np.array([[focal, 0, self._width / 2], [0, focal, self._height / 2], [0, 0, 1.0]])

    def _world_from_cam(self) -> Floats:
        out = np.tile(np.eye(4), (self._count, 1, 1))
        out[:, :3, :3] = [matrix_from_quaternion(turn) for turn in np.asarray(self._camera["quaternions"])]
        out[:, :3, 3] = np.asarray(self._camera["positions"])
        return np.asarray(out @ BLENDER_FROM_OPENCV, np.float64)

    def _z_depth(self, example: Mapping[str, Any]) -> Floats | None:
        if "depth" not in example:
            return None
        low, high = (float(value) for value in self._meta["depth_range"])
        distance = np.asarray(example["depth"])[..., 0].astype(np.float64) / LEVELS * (high - low) + low
        depth = distance / compute_ray_lengths(self._k, (self._height, self._width))
        known = example.get("known")
        return depth if known is None else np.where(np.asarray(known)[..., 0], depth, np.nan)

    def _frame(self, frame: int) -> FrameRow:
        data = io.BytesIO()
        Image.fromarray(self._video[frame]).save(data, "JPEG", quality=QUALITY, subsampling=0)
        jpeg = data.getvalue()
        png, unit = (None, None) if self._depth is None else _depth_png(self._depth[frame])
        pts = round(frame / self._rate * 1_000_000)
        return FrameRow(
            clip=self._clip,
            frame=frame,
            source_frame=frame,
            pts=pts,
            jpeg=jpeg,
            jpeg_sha256=hashlib.sha256(jpeg).hexdigest(),
            depth_png=png,
            depth_unit=unit,
        )

    def _camera_row(self, frame: int) -> CameraRow:
        k = self._k
        return CameraRow(
            clip=self._clip,
            frame=frame,
            fx=k[0, 0],
            fy=k[1, 1],
            cx=k[0, 2],
            cy=k[1, 2],
            world_from_cam=tuple(float(value) for value in self._poses[frame].ravel()),
            source=self._camera_source,
            intrinsics_source=self._intrinsics_source,
            confidence=None,
        )

    def _observations(self) -> list[ObservationRow]:
        found = []
        for frame in range(self._count):
            for number in range(len(np.asarray(self._instances["quaternions"]))):
                mask = self._ids[frame] == number + 1
                if mask.any():
                    found.append(self._observation(frame, number, mask))
        return found

    def _observation(self, frame: int, number: int, mask: NDArray[np.bool_]) -> ObservationRow:
        x0, y0, x1, y1 = bounding_box(mask)
        rle = encode_mask(mask)
        area = int(mask.sum())
        depth = None if self._depth is None else self._depth[frame][mask]
        known = None if depth is None else depth[np.isfinite(depth)]
        box = self._box(frame, number)
        return ObservationRow(
            clip=self._clip,
            frame=frame,
            track=number + 1,
            x0=x0,
            y0=y0,
            x1=x1,
            y1=y1,
            score=1.0,
            mask_height=self._height,
            mask_width=self._width,
            mask_counts=rle["counts"],
            area=area,
            depth=None if known is None or not len(known) else float(np.median(known)),
            center_cam=box[0],
            rotation_cam=box[1],
            center_world=box[2],
            rotation_world=box[3],
            size=box[4],
            scale_source=self._scale if box[0] else None,
            box3d_source="given" if box[0] else None,
            box3d_confidence=1.0 if box[0] else None,
            flags=(),
        )

    def _box(self, frame: int, number: int) -> tuple[tuple[float, ...] | None, ...]:
        corners = np.asarray(self._instances["bboxes_3d"][number][frame], np.float64)
        turn = np.asarray(self._instances["quaternions"][number][frame], np.float64)
        if not (np.isfinite(corners).all() and np.isfinite(turn).all()):
            return (None,) * 5
        center = corners.mean(axis=0)
        own = corners @ matrix_from_quaternion(turn)
        size = own[7] - own[0]
        if (size <= 0).any():
            raise ValueError(f"the corners of instance {number} are in another order")
        turn = turn / np.linalg.norm(turn)
        here, rotation = oriented_boxes.transform_box(center, turn, np.linalg.inv(self._poses[frame]))
        world = quaternion_from_matrix(matrix_from_quaternion(turn))
        parts = (here, rotation, center, world, size)
        return tuple(tuple(float(value) for value in part) for part in parts)

    def _tracks(self, observations: list[ObservationRow]) -> list[TrackRow]:
        names = self._instances.get("category")
        found = []
        for number in sorted({row.track for row in observations}):
            mine = [row for row in observations if row.track == number]
            first, last = mine[0].frame, mine[-1].frame
            best = max(mine, key=lambda row: row.area)
            name = None if names is None else _text(np.asarray(names)[number - 1])
            found.append(
                TrackRow(
                    clip=self._clip,
                    track=number,
                    concept=None,
                    label=name,
                    first_frame=first,
                    last_frame=last,
                    frames=len(mine),
                    mean_score=1.0,
                    mean_area=float(np.mean([row.area for row in mine])),
                    visible_fraction=len(mine) / (last - first + 1),
                    size=best.size,
                    scale_source=best.scale_source,
                    reference_frame=best.frame,
                    kept=True,
                    failed=(),
                    flags=(),
                )
            )
        return found


def _text(value: Any) -> str | None:
    """TFDS gives bytes, empty where there is none; NumPy gives scalars of its own."""
    if value is None:
        return None
    return (value.decode() if isinstance(value, bytes) else str(value)) or None


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _depth_png(depth: Floats) -> tuple[bytes, float]:
    """z-depth as a 16-bit PNG; 0 is unknown, so levels begin at 1."""
    unit = float(np.nanmax(depth)) / LEVELS if np.isfinite(depth).any() else 1.0
    levels = np.where(np.isfinite(depth), np.maximum(np.rint(depth / unit), 1), 0).astype(np.uint16)
    done, data = cv2.imencode(".png", levels)
    assert done
    return data.tobytes(), unit


def _luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(downscale(picture), cv2.COLOR_RGB2GRAY), np.uint8)
