"""An oriented box for each track in each frame it is seen in: known, measured, triangulated, or guessed.

The best source there is wins, for a whole track: boxes that came with the source; depth under the masks;
rays of several known cameras through a thing that stands still; the usual size of things of its name. The
last is flagged `scale_not_metric` and never trusted above 0.3. Without any there is no box.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.datasets import oriented_boxes
from workers.datasets.boxes3d import surfaces
from workers.datasets.boxes3d.size_priors import get_usual_size
from workers.datasets.source import KnownBox
from workers.datasets.stages.measure import TrackObservation
from workers.geometry.poses import quaternion_from_matrix

Array = NDArray[np.float64]
IDENTITY = (1.0, 0.0, 0.0, 0.0)
LEAST_POINTS = 16
LEAST_PARALLAX_DEGREES = 10.0
# nine of ten rays miss the point by less than this part of its distance: a thing that moves on its own
# seldom keeps to that, but it can, and so the box is flagged
MISS = 0.006
LOW, HIGH = 1.0, 99.0


@dataclass(frozen=True, slots=True)
class Box3d:
    """A box in one frame; `world` parts are None without a camera pose. Rotations wxyz."""

    center_cam: tuple[float, ...]
    rotation_cam: tuple[float, ...]
    center_world: tuple[float, ...] | None
    rotation_world: tuple[float, ...] | None
    size: tuple[float, ...]
    scale_source: str
    source: str
    confidence: float
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClipCamera:
    """What all tracks of a clip share: K (3, 3), poses (T, 4, 4) or None, the scale of the world."""

    intrinsics: Array
    poses: Array | None
    scale: str | None

    def pose(self, frame: int) -> Array | None:
        """world_from_cam of a frame."""
        if self.poses is None or not np.isfinite(self.poses[frame]).all():
            return None
        return np.asarray(self.poses[frame])


def lift_track(
    seen: Sequence[TrackObservation],
    label: str | None,
    view: ClipCamera,
    known: Mapping[int, KnownBox] | None,
) -> dict[int, Box3d]:
    """Boxes of one track by frame; `known` gives the boxes that came with the source, by frame."""
    if known:
        return _known(known, view)
    if any(item.points is not None and len(item.points) >= LEAST_POINTS for item in seen):
        return _measured(seen, view)
    return _triangulated(seen, view) or _guessed(seen, label, view)


def _known(known: Mapping[int, KnownBox], view: ClipCamera) -> dict[int, Box3d]:
    found = {}
    for frame, box in known.items():
        pose = view.pose(frame)
        if pose is None:
            continue
        rotation = quaternion_from_matrix(box.world_from_object[:3, :3])
        scale = view.scale or "relative"
        found[frame] = _world_box(
            box.world_from_object[:3, 3], rotation, box.size, pose, scale, "given", 1.0, ()
        )
    return found


def _measured(seen: Sequence[TrackObservation], view: ClipCamera) -> dict[int, Box3d]:
    clouds: dict[int, Array] = {}
    for item in seen:
        points = surfaces.select_own_points(item, view.intrinsics)
        if points is not None and len(points) >= LEAST_POINTS:
            clouds[item.frame] = points
    # metres of depth have no place in a world of another scale
    metric = view if view.scale == "metric" else replace(view, poses=None)
    poses = {frame: pose for frame in clouds if (pose := metric.pose(frame)) is not None}
    still = (
        surfaces.find_static_points(seen, clouds, poses, view.intrinsics)
        if len(poses) == len(clouds)
        else None
    )
    if still is not None:
        fixed = surfaces.fit_box(still, np.mean([pose[:3, 3] for pose in poses.values()], axis=0))
        rotation = quaternion_from_matrix(fixed.axes.T)
        return {
            frame: _world_box(fixed.center, rotation, fixed.size, pose, "metric", "depth", 0.7, ())
            for frame, pose in poses.items()
        }
    whole = [item.frame for item in seen if item.frame in clouds and "truncated" not in item.flags]
    spans = np.array([_span(clouds[frame]) for frame in whole or clouds])
    size = np.maximum(np.percentile(spans, 75, axis=0) if len(spans) else 0.0, np.full(3, surfaces.THINNEST))
    # depth shows the front only
    size[2] = surfaces.complete_depth(float(size[2]), float(min(size[0], size[1])))
    found = {}
    for frame, points in clouds.items():
        low, high = np.percentile(points, LOW, axis=0), np.percentile(points, HIGH, axis=0)
        center = (low + high) / 2
        center[2] = low[2] + size[2] / 2
        found[frame] = _camera_box(
            center, size, metric.pose(frame), "metric", "depth", 0.5, ("rotation_unknown",)
        )
    return found


def _triangulated(seen: Sequence[TrackObservation], view: ClipCamera) -> dict[int, Box3d]:
    """The point nearest to the rays through the middle of the boxes, when they all but meet."""
    used = [
        (item, pose)
        for item in seen
        if "truncated" not in item.flags and (pose := view.pose(item.frame)) is not None
    ]
    if len(used) < 3:
        return {}
    back = np.linalg.inv(view.intrinsics)
    origins, rays = [], []
    for item, pose in used:
        x, y = (item.box[0] + item.box[2]) / 2, (item.box[1] + item.box[3]) / 2
        ray = pose[:3, :3] @ (back @ np.array([x, y, 1.0]))
        origins.append(pose[:3, 3])
        rays.append(ray / np.linalg.norm(ray))
    o, d = np.array(origins), np.array(rays)
    if np.degrees(np.arccos(np.clip((d @ d.T).min(), -1, 1))) < LEAST_PARALLAX_DEGREES:
        return {}
    across = np.eye(3) - d[:, :, None] * d[:, None, :]
    center = np.linalg.solve(across.sum(axis=0), (across @ o[:, :, None]).sum(axis=0)).ravel()
    away = np.linalg.norm(center - o, axis=1)
    missed = np.linalg.norm((across @ (center - o)[:, :, None])[:, :, 0], axis=1) / np.maximum(away, 1e-9)
    if float(np.percentile(missed, 90)) > MISS or np.any(((center - o) * d).sum(axis=1) <= 0):
        return {}
    depth = np.array([(pose[:3, :3].T @ (center - pose[:3, 3]))[2] for _, pose in used])
    wide = np.median([(i.box[2] - i.box[0]) * z for (i, _), z in zip(used, depth, strict=True)])
    tall = np.median([(i.box[3] - i.box[1]) * z for (i, _), z in zip(used, depth, strict=True)])
    w, h = float(wide) / view.intrinsics[0, 0], float(tall) / view.intrinsics[1, 1]
    size = np.array([w, h, min(w, h)])
    first = used[0][1]
    rotation = quaternion_from_matrix(first[:3, :3])
    scale = view.scale or "relative"
    flags = ("rotation_unknown", "assumed_still") + (() if scale == "metric" else ("scale_not_metric",))
    return {
        item.frame: _world_box(center, rotation, size, pose, scale, "multiview", 0.4, flags)
        for item in seen
        if (pose := view.pose(item.frame)) is not None
    }


def _guessed(seen: Sequence[TrackObservation], label: str | None, view: ClipCamera) -> dict[int, Box3d]:
    usual = get_usual_size(label)
    if usual is None:
        return {}
    found = {}
    for item in seen:
        width, height = item.box[2] - item.box[0], item.box[3] - item.box[1]
        z = usual * float(view.intrinsics[0, 0]) / max(width, height)
        x = ((item.box[0] + item.box[2]) / 2 - view.intrinsics[0, 2]) / view.intrinsics[0, 0] * z
        y = ((item.box[1] + item.box[3]) / 2 - view.intrinsics[1, 2]) / view.intrinsics[1, 1] * z
        longer = max(width, height)
        size = usual * np.array([width, height, min(width, height)]) / longer
        confidence = 0.1 if {"truncated", "occluded"} & set(item.flags) else 0.25
        # a guess in metres has no place in a world of another scale
        pose = view.pose(item.frame) if view.scale == "metric" else None
        found[item.frame] = _camera_box(
            np.array([x, y, z]),
            size,
            pose,
            "prior",
            "prior",
            confidence,
            ("rotation_unknown", "scale_not_metric"),
        )
    return found


def _world_box(
    center: Array,
    rotation: tuple[float, ...],
    size: Array,
    pose: Array,
    scale: str,
    source: str,
    confidence: float,
    flags: tuple[str, ...],
) -> Box3d:
    inverse = np.linalg.inv(pose)
    middle, turned = oriented_boxes.transform_box(center, rotation, np.asarray(inverse, np.float64))
    return Box3d(
        _floats(middle), turned, _floats(center), rotation, _floats(size), scale, source, confidence, flags
    )


def _camera_box(
    center: Array,
    size: Array,
    pose: Array | None,
    scale: str,
    source: str,
    confidence: float,
    flags: tuple[str, ...],
) -> Box3d:
    world, turned = (None, None) if pose is None else oriented_boxes.transform_box(center, IDENTITY, pose)
    where = None if world is None else _floats(world)
    return Box3d(_floats(center), IDENTITY, where, turned, _floats(size), scale, source, confidence, flags)


def _span(points: Array) -> Array:
    return np.asarray(np.percentile(points, HIGH, axis=0) - np.percentile(points, LOW, axis=0))


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
