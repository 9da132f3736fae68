"""The features of a MOVi example in the conventions of the record."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.movi.example import LEVELS, compute_ray_lengths
from workers.datasets.exporters.shared.camera_axes import BLENDER_FROM_OPENCV
from workers.geometry.poses import matrix_from_quaternion

Floats = NDArray[np.float64]
# frames per second of MOVi's videos, which have 24 frames
DEFAULT_RATE = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MoviExample:
    """T frames of H x W with N instances; instance k has the id k + 1.

    `video` u8 (T, H, W, 3); `ids` i64 (T, H, W), 0 is background; `intrinsics` (3, 3) in pixels;
    `world_from_cam` (T, 4, 4) in OpenCV axes; `depth` z-depth (T, H, W), NaN unknown, or None;
    `corners` (N, T, 8, 3) of the boxes and `quaternions` wxyz (N, T, 4), both in the world, NaN unknown;
    `labels` of the instances. `rate` is assumed when the example has none.
    """

    digest: str
    video: NDArray[np.uint8]
    ids: NDArray[np.int64]
    intrinsics: Floats
    world_from_cam: Floats
    depth: Floats | None
    corners: Floats
    quaternions: Floats
    labels: tuple[str | None, ...]
    rate: float
    rate_assumed: bool
    name: str | None
    licence: str | None
    camera_source: str
    intrinsics_source: str
    scale_source: str

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.video.shape[1], self.video.shape[2]

    @property
    def clip(self) -> str:
        """The id of its clip."""
        return self.digest[:20]

    def __len__(self) -> int:
        return len(self.video)


def parse_example(example: Mapping[str, Any]) -> MoviExample:
    """Read the features of an example, named and shaped as `exporters.movi.example.build_example` has them.

    Raises KeyError or ValueError when a feature is missing or has another shape.
    """
    video = np.asarray(example["video"], np.uint8)
    ids = np.asarray(example["segmentations"])[..., 0].astype(np.int64)
    if ids.shape != video.shape[:3]:
        raise ValueError(f"segmentations have shape {ids.shape}, the video {video.shape}")
    metadata, instances = example["metadata"], example["instances"]
    size = video.shape[1], video.shape[2]
    intrinsics = _compute_intrinsics(example["camera"], size)
    rate = float(metadata.get("frame_rate") or np.nan)
    quaternions = np.asarray(instances["quaternions"], np.float64)
    return MoviExample(
        digest=hashlib.sha256(video.tobytes() + ids.tobytes()).hexdigest(),
        video=video,
        ids=ids,
        intrinsics=intrinsics,
        world_from_cam=_stack_poses(example["camera"], len(video)),
        depth=_compute_z_depth(example, intrinsics, size),
        corners=np.asarray(instances["bboxes_3d"], np.float64),
        quaternions=quaternions,
        labels=_list_labels(instances.get("category"), len(quaternions)),
        rate=rate if np.isfinite(rate) else DEFAULT_RATE,
        rate_assumed=not np.isfinite(rate),
        name=_parse_text(metadata.get("video_name")),
        licence=_parse_text(metadata.get("licence")),
        camera_source=_parse_text(metadata.get("camera_source")) or "given",
        intrinsics_source=_parse_text(metadata.get("intrinsics_source")) or "given",
        scale_source=_parse_text(metadata.get("scale_source")) or "metric",
    )


def _compute_intrinsics(camera: Mapping[str, Any], size: tuple[int, int]) -> Floats:
    height, width = size
    focal = float(camera["focal_length"]) / float(camera["sensor_width"]) * width
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def _stack_poses(camera: Mapping[str, Any], count: int) -> Floats:
    """world_from_cam (T, 4, 4) in OpenCV axes."""
    world_from_blender = np.tile(np.eye(4), (count, 1, 1))
    quaternions = np.asarray(camera["quaternions"])
    world_from_blender[:, :3, :3] = [matrix_from_quaternion(quaternion) for quaternion in quaternions]
    world_from_blender[:, :3, 3] = np.asarray(camera["positions"])
    # the matrix of the axes is its own inverse
    return np.asarray(world_from_blender @ BLENDER_FROM_OPENCV, np.float64)


def _compute_z_depth(example: Mapping[str, Any], intrinsics: Floats, size: tuple[int, int]) -> Floats | None:
    if "depth" not in example:
        return None
    low, high = (float(value) for value in example["metadata"]["depth_range"])
    distance = np.asarray(example["depth"])[..., 0].astype(np.float64) / LEVELS * (high - low) + low
    depth = distance / compute_ray_lengths(intrinsics, size)
    known = example.get("known")
    return depth if known is None else np.where(np.asarray(known)[..., 0], depth, np.nan)


def _list_labels(categories: Any, count: int) -> tuple[str | None, ...]:
    if categories is None:
        return (None,) * count
    return tuple(_parse_text(category) for category in np.asarray(categories))


def _parse_text(value: Any) -> str | None:
    """A string; TFDS has bytes, empty where there is none, and NumPy has scalars of its own."""
    if value is None:
        return None
    return (value.decode() if isinstance(value, bytes) else str(value)) or None
