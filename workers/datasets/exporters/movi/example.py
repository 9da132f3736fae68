"""A clip as the features of a MOVi example."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.shared.camera_axes import BLENDER_FROM_OPENCV, stack_poses
from workers.datasets.exporters.shared.categories import get_category_name, index_tracks
from workers.datasets.scene_clip import SceneClip
from workers.geometry.poses import quaternion_from_matrix

# millimetres; the default camera of Kubric
SENSOR_WIDTH = 32.0
# the largest level of 16-bit depth, and the largest number of pixels that `visibility` can hold
LEVELS = 65535


def find_obstacle(clip: SceneClip) -> str | None:
    """Why a clip cannot be a MOVi example; None when it can."""
    if not clip.has_poses:
        return "the camera's pose is unknown"
    if not has_centred_camera(clip):
        return "the camera changes, is off centre, or has oblong pixels"
    return None


def has_centred_camera(clip: SceneClip) -> bool:
    """Whether the clip has one camera, with its principal point in the middle and square pixels."""
    height, width = clip.size
    first = clip.intrinsics(0)
    is_constant = all(np.array_equal(clip.intrinsics(frame), first) for frame in range(len(clip)))
    is_central = abs(first[0, 2] - width / 2) < 1e-6 and abs(first[1, 2] - height / 2) < 1e-6
    return is_constant and is_central and abs(first[0, 0] - first[1, 1]) < 1e-6 * first[0, 0]


def build_example(clip: SceneClip) -> dict[str, Any]:
    """A clip as a MOVi example; T frames, N tracks in the order of their ids.

    - `video` u8 (T, H, W, 3)
    - `segmentations` u16 (T, H, W, 1): 0 is background, k + 1 is instance k
    - `depth` u16 (T, H, W, 1): the distance from the camera's centre, linear over `metadata.depth_range`; and
      `known` bool of the same shape. Absent when a frame has no depth
    - `instances`: `bboxes` f32 (N, T, 4) y0 x0 y1 x1 over H and W; `bboxes_3d` f64 (N, T, 8, 3) in the world;
      `positions` (N, T, 3) and `quaternions` wxyz (N, T, 4), NaN where the track is not seen; `visibility`
      u16 (N, T) in pixels; `category` and `tracks` (N,)
    - `camera`: `positions` (T, 3) and `quaternions` wxyz (T, 4) of Blender's camera (looks down -z, y up),
      `focal_length` and `sensor_width` in millimetres, `field_of_view` in radians
    - `metadata`
    """
    order = {track.track: number for number, track in enumerate(clip.tracks)}
    example = {
        "video": np.stack(list(clip.images())),
        "segmentations": _stack_segmentations(clip, order),
        "instances": _build_instances(clip, order),
        "camera": _build_camera(clip),
    }
    metadata: dict[str, Any] = {
        "video_name": clip.id,
        "num_frames": len(clip),
        "height": clip.row.height,
        "width": clip.row.width,
        "num_instances": len(order),
        "frame_rate": clip.row.frame_rate,
        "camera_source": clip.row.camera_source,
        "intrinsics_source": clip.row.intrinsics_source,
        "scale_source": clip.row.scale_source,
        "licence": clip.source.licence,
    }
    distances = [_compute_distance(clip, frame) for frame in range(len(clip))]
    known_distances = [distance for distance in distances if distance is not None]
    if len(known_distances) == len(distances):
        levels, known, depth_range = quantise_depth(np.stack(known_distances))
        example["depth"], example["known"] = levels[..., None], known[..., None]
        metadata["depth_range"] = depth_range
    example["metadata"] = metadata
    return example


def compute_ray_lengths(intrinsics: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Distance from the camera's centre over z-depth (H, W), at pixel centres; `intrinsics` (3, 3)."""
    x = (np.arange(size[1]) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(size[0]) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]
    return np.asarray(np.sqrt(1 + x[None, :] ** 2 + y[:, None] ** 2), np.float64)


def quantise_depth(
    distances: NDArray[np.float64],
) -> tuple[NDArray[np.uint16], NDArray[np.bool_], list[float]]:
    """Distances (T, H, W), NaN unknown, as 16-bit levels over their range; which are known; the range."""
    low, high = float(np.nanmin(distances)), float(np.nanmax(distances))
    scaled = (distances - low) / max(high - low, 1e-9) * LEVELS
    known = np.isfinite(scaled)
    return np.where(known, np.rint(scaled), 0).astype(np.uint16), known, [low, high]


def _stack_segmentations(clip: SceneClip, order: dict[int, int]) -> NDArray[np.uint16]:
    out: NDArray[np.uint16] = np.zeros((len(clip), *clip.size, 1), np.uint16)
    for frame in range(len(clip)):
        ids = clip.segmentation(frame)
        for track, number in order.items():
            out[frame, ids == track] = number + 1
    return out


def _build_camera(clip: SceneClip) -> dict[str, Any]:
    focal = clip.intrinsics(0)[0, 0]
    world_from_blender = stack_poses(clip) @ BLENDER_FROM_OPENCV
    return {
        "focal_length": np.float64(focal * SENSOR_WIDTH / clip.row.width),
        "sensor_width": np.float64(SENSOR_WIDTH),
        "field_of_view": np.float64(2 * np.arctan(clip.row.width / 2 / focal)),
        "positions": world_from_blender[:, :3, 3],
        "quaternions": np.array([quaternion_from_matrix(pose[:3, :3]) for pose in world_from_blender]),
    }


def _build_instances(clip: SceneClip, order: dict[int, int]) -> dict[str, NDArray[Any]]:
    shape = (len(order), len(clip))
    height, width = clip.size
    boxes = np.full((*shape, 4), np.nan, np.float32)
    corners = np.full((*shape, 8, 3), np.nan)
    positions, quaternions = np.full((*shape, 3), np.nan), np.full((*shape, 4), np.nan)
    visibility = np.zeros(shape, np.uint16)
    for row in clip.observations:
        place = order[row.track], row.frame
        boxes[place] = row.y0 / height, row.x0 / width, row.y1 / height, row.x1 / width
        visibility[place] = min(row.area, LEVELS)
        world_corners = clip.corners(row, world=True)
        if world_corners is not None:
            corners[place] = world_corners
            positions[place], quaternions[place] = row.center_world, row.rotation_world
    tracks = index_tracks(clip)
    return {
        "bboxes": boxes,
        "bboxes_3d": corners,
        "positions": positions,
        "quaternions": quaternions,
        "visibility": visibility,
        "category": np.array([get_category_name(tracks[track]) for track in order], np.str_),
        "tracks": np.array(list(order), np.int64),
    }


def _compute_distance(clip: SceneClip, frame: int) -> NDArray[np.float64] | None:
    """Distance from the camera's centre (H, W), NaN unknown; None for a frame without depth."""
    depth = clip.depth(frame)
    if depth is None:
        return None
    return depth.astype(np.float64) * compute_ray_lengths(clip.intrinsics(frame), clip.size)
