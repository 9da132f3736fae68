"""An oriented box for each track in each frame it is seen in: known, measured, triangulated, or guessed.

The best source available decides for a complete track: boxes that came with the source; depth under the
masks; rays of several known cameras through an object that stands still; the usual size of objects of its
name. The last is flagged `scale_not_metric` and its confidence is never above 0.3. Without any of these
there is no box.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.datasets.boxes3d import surfaces
from workers.datasets.boxes3d.placing import BoxEvidence, build_camera_box, build_world_box
from workers.datasets.boxes3d.size_priors import get_usual_size
from workers.datasets.boxes3d.triangulation import triangulate
from workers.datasets.cameras.clip_camera import ClipCamera
from workers.datasets.observations import TrackObservation
from workers.datasets.oriented_boxes import Box3d
from workers.datasets.source import KnownBox
from workers.geometry.poses import quaternion_from_matrix

Array = NDArray[np.float64]
# fewer points of a surface than this say nothing about its size; chosen, not measured
LEAST_POINTS = 16
# percentiles of coordinates that span an object: the outermost points are often those of a mask that bleeds
LOW, HIGH = 1.0, 99.0
# percentile of an object's extent over its frames that counts as its size: in many frames part of it is
# hidden
USUAL_SPAN = 75
# confidences by source, on the scale of `box3d_confidence` in docs/reference/schema.md; chosen, not measured
KNOWN, STANDING, SEEN, TRIANGULATED, GUESSED, GUESSED_HIDDEN = 1.0, 0.7, 0.5, 0.4, 0.25, 0.1


def lift_track(
    observations: Sequence[TrackObservation],
    label: str | None,
    camera: ClipCamera,
    known: Mapping[int, KnownBox] | None,
) -> dict[int, Box3d]:
    """Boxes of one track by frame; `known` has the boxes that came with the source, by frame."""
    if known:
        return _place_known(known, camera)
    if any(item.points is not None and len(item.points) >= LEAST_POINTS for item in observations):
        return _measure(observations, camera)
    return _triangulate(observations, camera) or _guess(observations, label, camera)


def _place_known(known: Mapping[int, KnownBox], camera: ClipCamera) -> dict[int, Box3d]:
    evidence = BoxEvidence(scale_source=camera.scale or "relative", source="given", confidence=KNOWN)
    placed = {}
    for frame, box in known.items():
        pose = camera.pose(frame)
        if pose is None:
            continue
        center, rotation = box.world_from_object[:3, 3], quaternion_from_matrix(box.world_from_object[:3, :3])
        placed[frame] = build_world_box(center, rotation, box.size, pose, evidence)
    return placed


def _measure(observations: Sequence[TrackObservation], camera: ClipCamera) -> dict[int, Box3d]:
    """Boxes from depth: one in the world for an object that stands still, else one per frame."""
    k = camera.intrinsics.matrix()
    clouds: dict[int, Array] = {}
    for item in observations:
        points = surfaces.select_own_points(item, k)
        if points is not None and len(points) >= LEAST_POINTS:
            clouds[item.frame] = points
    # metres of depth have no place in a world of another scale
    metric = camera if camera.scale == "metric" else replace(camera, poses=None)
    poses = {frame: pose for frame in clouds if (pose := metric.pose(frame)) is not None}
    if len(poses) == len(clouds):
        static = surfaces.find_static_points(observations, clouds, poses, k)
        if static is not None:
            return _fit_static(static, poses)
    return _fit_frames(observations, clouds, metric)


def _fit_static(points: Array, poses: Mapping[int, Array]) -> dict[int, Box3d]:
    eye = np.mean([pose[:3, 3] for pose in poses.values()], axis=0)
    fixed = surfaces.fit_box(points, eye)
    rotation = quaternion_from_matrix(fixed.axes.T)
    evidence = BoxEvidence(scale_source="metric", source="depth", confidence=STANDING)
    return {
        frame: build_world_box(fixed.center, rotation, fixed.size, pose, evidence)
        for frame, pose in poses.items()
    }


def _fit_frames(
    observations: Sequence[TrackObservation], clouds: Mapping[int, Array], camera: ClipCamera
) -> dict[int, Box3d]:
    """Boxes along the camera's axes, all of one size, whose front is where the depth is."""
    complete = [item.frame for item in observations if item.frame in clouds and "truncated" not in item.flags]
    spans = np.array([_measure_span(clouds[frame]) for frame in complete or clouds])
    size = np.maximum(
        np.percentile(spans, USUAL_SPAN, axis=0) if len(spans) else 0.0, np.full(3, surfaces.THINNEST)
    )
    # depth shows the front alone
    size[2] = surfaces.complete_depth(float(size[2]), float(min(size[0], size[1])))
    evidence = BoxEvidence(
        scale_source="metric", source="depth", confidence=SEEN, flags=("rotation_unknown",)
    )
    boxes = {}
    for frame, points in clouds.items():
        low, high = np.percentile(points, LOW, axis=0), np.percentile(points, HIGH, axis=0)
        center = (low + high) / 2
        center[2] = low[2] + size[2] / 2
        boxes[frame] = build_camera_box(center, size, camera.pose(frame), evidence)
    return boxes


def _triangulate(observations: Sequence[TrackObservation], camera: ClipCamera) -> dict[int, Box3d]:
    """A box at the point where the rays through the middle of the 2D boxes all but meet."""
    usable = [
        (item, pose)
        for item in observations
        if "truncated" not in item.flags and (pose := camera.pose(item.frame)) is not None
    ]
    k = camera.intrinsics.matrix()
    center = triangulate([item.box for item, _ in usable], [pose for _, pose in usable], k)
    if center is None:
        return {}
    depth = np.array([(pose[:3, :3].T @ (center - pose[:3, 3]))[2] for _, pose in usable])
    widths = [(item.box[2] - item.box[0]) * z for (item, _), z in zip(usable, depth, strict=True)]
    heights = [(item.box[3] - item.box[1]) * z for (item, _), z in zip(usable, depth, strict=True)]
    width, height = float(np.median(widths)) / k[0, 0], float(np.median(heights)) / k[1, 1]
    size = np.array([width, height, min(width, height)])
    rotation = quaternion_from_matrix(usable[0][1][:3, :3])
    scale = camera.scale or "relative"
    flags = ("rotation_unknown", "assumed_still") + (() if scale == "metric" else ("scale_not_metric",))
    evidence = BoxEvidence(scale_source=scale, source="multiview", confidence=TRIANGULATED, flags=flags)
    return {
        item.frame: build_world_box(center, rotation, size, pose, evidence)
        for item in observations
        if (pose := camera.pose(item.frame)) is not None
    }


def _guess(
    observations: Sequence[TrackObservation], label: str | None, camera: ClipCamera
) -> dict[int, Box3d]:
    """Boxes at the distance at which an object of the usual size has the size that is seen."""
    usual = get_usual_size(label)
    if usual is None:
        return {}
    k = camera.intrinsics.matrix()
    boxes = {}
    for item in observations:
        width, height = item.box[2] - item.box[0], item.box[3] - item.box[1]
        longer = max(width, height)
        z = usual * float(k[0, 0]) / longer
        x = ((item.box[0] + item.box[2]) / 2 - k[0, 2]) / k[0, 0] * z
        y = ((item.box[1] + item.box[3]) / 2 - k[1, 2]) / k[1, 1] * z
        hidden = {"truncated", "occluded"} & set(item.flags)
        boxes[item.frame] = build_camera_box(
            np.array([x, y, z]),
            usual * np.array([width, height, min(width, height)]) / longer,
            # a guess in metres has no place in a world of another scale
            camera.pose(item.frame) if camera.scale == "metric" else None,
            BoxEvidence(
                scale_source="prior",
                source="prior",
                confidence=GUESSED_HIDDEN if hidden else GUESSED,
                flags=("rotation_unknown", "scale_not_metric"),
            ),
        )
    return boxes


def _measure_span(points: Array) -> Array:
    return np.asarray(np.percentile(points, HIGH, axis=0) - np.percentile(points, LOW, axis=0))
