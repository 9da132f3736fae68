"""MOVi / Kubric: the features of its TFDS examples, as one folder of arrays a clip."""

import io
import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.base import Exporter, ExportWriter, get_category_name, index_tracks
from workers.datasets.exporters.neural_assets_tokens import BLENDER_FROM_OPENCV
from workers.datasets.scene_clip import SceneClip
from workers.geometry.poses import quaternion_from_matrix

# Kubric's default camera
SENSOR_WIDTH = 32.0
LEVELS = 65535


@dataclass(frozen=True)
class Movi(Exporter):
    """`<split>/<clip>/`: `video.npz`, `segmentations.npz`, `depth.npz`, `instances.npz`, `camera.npz` and
    `metadata.json`, whose keys are the names of the TFDS features (without depth there is no `depth.npz`).
    """

    name: ClassVar[str] = "movi"
    summary: ClassVar[str] = "MOVi / Kubric features as NumPy folders; can be imported again"
    loses: ClassVar[tuple[str, ...]] = (
        "JPEG bytes: frames are stored as pixels",
        "scores, flags, actions and captions; flow, normals and coordinates are not known",
        "boxes of frames in which a track is not seen: NaN in `instances`",
        "intrinsics other than one centred camera of square pixels for the whole clip",
        "depth finer than 1/65535 of its range; where it is unknown `known` of `depth.npz` says so, which"
        " MOVi's own readers do not look at",
        "clips without camera poses",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        for clip in writer.clips():
            if any(clip.world_from_cam(frame) is None for frame in range(len(clip))):
                writer.leave_out(clip, "the camera's pose is unknown")
                continue
            if not has_centred_camera(clip):
                writer.leave_out(clip, "the camera changes, is off centre, or has oblong pixels")
                continue
            made = build_example(clip)
            folder = (clip.row.split, clip.id)
            for name in ("video", "segmentations"):
                writer.write(_npz({name: made[name]}, packed=True), *folder, f"{name}.npz")
            if "depth" in made:
                parts = {"depth": made["depth"], "known": made["known"]}
                writer.write(_npz(parts, packed=True), *folder, "depth.npz")
            for name in ("instances", "camera"):
                writer.write(_npz(made[name], packed=False), *folder, f"{name}.npz")
            writer.write(json.dumps(made["metadata"], indent=1) + "\n", *folder, "metadata.json")


def build_example(clip: SceneClip) -> dict[str, Any]:
    """A clip as a MOVi example; T frames, N tracks in the order of their ids.

    video u8 (T, H, W, 3); segmentations u16 (T, H, W, 1), 0 is background and k + 1 instance k; depth
    u16 (T, H, W, 1), the distance from the camera's centre, linear over metadata.depth_range, and known bool
    of the same shape.
    instances: bboxes f32 (N, T, 4) y0 x0 y1 x1 over H and W, bboxes_3d f64 (N, T, 8, 3) in the world,
    positions (N, T, 3), quaternions wxyz (N, T, 4), NaN where the track is not seen; visibility u16 (N, T)
    in pixels.
    camera: positions (T, 3) and quaternions wxyz (T, 4) of Blender's camera (looks down -z, y up),
    focal_length and sensor_width in millimetres.
    """
    order = {track.track: number for number, track in enumerate(clip.tracks)}
    frames = range(len(clip))
    segmentations = np.zeros((len(clip), *clip.size, 1), np.uint16)
    for frame in frames:
        seen = clip.segmentation(frame)
        for track, number in order.items():
            segmentations[frame, seen == track] = number + 1
    k = clip.intrinsics(0)
    known = [pose for frame in frames if (pose := clip.world_from_cam(frame)) is not None]
    poses = np.stack(known) @ BLENDER_FROM_OPENCV
    camera = {
        "focal_length": np.float64(k[0, 0] * SENSOR_WIDTH / clip.row.width),
        "sensor_width": np.float64(SENSOR_WIDTH),
        "field_of_view": np.float64(2 * np.arctan(clip.row.width / 2 / k[0, 0])),
        "positions": poses[:, :3, 3],
        "quaternions": np.array([quaternion_from_matrix(pose[:3, :3]) for pose in poses]),
    }
    made = {
        "video": np.stack([clip.image(frame) for frame in frames]),
        "segmentations": segmentations,
        "instances": _instances(clip, order),
        "camera": camera,
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
    distances = [_distance(clip, frame) for frame in frames]
    if all(distance is not None for distance in distances):
        stacked = np.stack([d for d in distances if d is not None])
        low, high = float(np.nanmin(stacked)), float(np.nanmax(stacked))
        scaled = (stacked - low) / max(high - low, 1e-9) * LEVELS
        known_depth = np.isfinite(scaled)
        made["depth"] = np.where(known_depth, np.rint(scaled), 0).astype(np.uint16)[..., None]
        made["known"] = known_depth[..., None]
        metadata["depth_range"] = [low, high]
    made["metadata"] = metadata
    return made


def ray_lengths(k: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Distance from the camera's centre over z-depth (H, W), at pixel centres."""
    x = (np.arange(size[1]) + 0.5 - k[0, 2]) / k[0, 0]
    y = (np.arange(size[0]) + 0.5 - k[1, 2]) / k[1, 1]
    return np.asarray(np.sqrt(1 + x[None, :] ** 2 + y[:, None] ** 2), np.float64)


def _instances(clip: SceneClip, order: dict[int, int]) -> dict[str, NDArray[Any]]:
    shape = (len(order), len(clip))
    height, width = clip.size
    boxes = np.full((*shape, 4), np.nan, np.float32)
    corners = np.full((*shape, 8, 3), np.nan)
    positions, quaternions = np.full((*shape, 3), np.nan), np.full((*shape, 4), np.nan)
    visible = np.zeros(shape, np.uint16)
    for row in clip.observations:
        place = order[row.track], row.frame
        boxes[place] = row.y0 / height, row.x0 / width, row.y1 / height, row.x1 / width
        visible[place] = min(row.area, LEVELS)
        world = clip.corners(row, world=True)
        if world is not None:
            corners[place] = world
            positions[place], quaternions[place] = row.center_world, row.rotation_world
    names = index_tracks(clip)
    return {
        "bboxes": boxes,
        "bboxes_3d": corners,
        "positions": positions,
        "quaternions": quaternions,
        "visibility": visible,
        "category": np.array([get_category_name(names[track]) for track in order], np.str_),
        "tracks": np.array(list(order), np.int64),
    }


def _distance(clip: SceneClip, frame: int) -> NDArray[np.float64] | None:
    depth = clip.depth(frame)
    return (
        None if depth is None else depth.astype(np.float64) * ray_lengths(clip.intrinsics(frame), clip.size)
    )


def has_centred_camera(clip: SceneClip) -> bool:
    """Whether the clip has one camera, in the middle of the picture, with square pixels."""
    height, width = clip.size
    first = clip.intrinsics(0)
    same = all(np.array_equal(clip.intrinsics(frame), first) for frame in range(len(clip)))
    middle = abs(first[0, 2] - width / 2) < 1e-6 and abs(first[1, 2] - height / 2) < 1e-6
    return same and middle and abs(first[0, 0] - first[1, 1]) < 1e-6 * first[0, 0]


def _npz(arrays: dict[str, NDArray[Any]], *, packed: bool) -> bytes:
    data = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(data, **arrays)  # type: ignore[arg-type]
    return data.getvalue()
