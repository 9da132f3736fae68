"""Oriented boxes around points of surfaces that cameras saw: which points count, which way, how far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from workers.datasets import oriented_boxes
from workers.datasets.stages.measure import TrackObservation
from workers.formats.rle import decode_mask

Array = NDArray[np.float64]
# a surface that lies farther behind than half the thing's width is another thing's: masks bleed
GAP = 0.5
LOOKS = 8
# pixels around a mask that its rim may be off by
RIM = np.ones((5, 5), np.uint8)
# drawn things that stand have up to 0.006 of their points beside their masks, those that move or turn 0.04 on
BESIDE = 0.02
# of the looks at a point have to find it in the mask
AGREED = 0.9
POINTS = 4000
LOW, HIGH = 0.5, 99.5
# directions of faces that are tried, and degrees between them
FACES, APART = 40, 5.0
FARTHEST = 99.5
# metres: depth of a picture on a wall has no thickness, and a box has to have some
THINNEST = 1e-4


@dataclass(frozen=True, slots=True)
class OrientedBox:
    """A box: centre (3,), axes as rows (3, 3), full edge lengths (3,)."""

    center: Array
    axes: Array
    size: Array


def select_own_points(item: TrackObservation, intrinsics: Array) -> Array | None:
    """The camera-frame points (N, 3) of the surface that most of a mask shows."""
    if item.points is None or not len(item.points):
        return item.points
    depth = np.sort(item.points[:, 2])
    narrow = min(item.box[2] - item.box[0], item.box[3] - item.box[1])
    wide = narrow * float(np.median(depth)) / float(intrinsics[0, 0])
    cuts = np.flatnonzero(np.diff(depth) > GAP * wide) + 1
    parts = np.split(depth, cuts)
    main = max(parts, key=len)
    return np.asarray(item.points[(item.points[:, 2] >= main[0]) & (item.points[:, 2] <= main[-1])])


def find_static_points(
    seen: Sequence[TrackObservation],
    clouds: Mapping[int, Array],
    poses: Mapping[int, Array],
    intrinsics: Array,
) -> Array | None:
    """Points (N, 3) in the world of a thing that stands still; None of one that moves or turns.

    The points of all frames fall into the masks of each when nothing moves. Those that seldom do are another
    thing's, on which a mask bled.
    """
    clear = [
        item for item in seen if item.frame in clouds and not {"truncated", "occluded"} & set(item.flags)
    ]
    if len(clear) < 3:
        return None
    placed = np.concatenate(
        [points @ poses[frame][:3, :3].T + poses[frame][:3, 3] for frame, points in clouds.items()]
    )
    placed = placed[:: max(1, len(placed) // POINTS)]
    looks = np.stack(
        [
            _within(placed, item, poses[item.frame], intrinsics)
            for item in clear[:: max(1, len(clear) // LOOKS)]
        ]
    )
    sight, hit = np.isfinite(looks), looks == 1
    if float(np.median(1 - hit.sum(axis=1) / np.maximum(sight.sum(axis=1), 1))) > BESIDE:
        return None
    kept = placed[hit.sum(axis=0) >= AGREED * sight.sum(axis=0)]
    return np.asarray(kept) if len(kept) >= 4 else None


def _within(points: Array, item: TrackObservation, pose: Array, intrinsics: Array) -> Array:
    """1 for each point of the world (N, 3) that lies in a frame's mask, 0 beside it, NaN out of sight."""
    mask = cv2.dilate(decode_mask(item.mask).astype(np.uint8), RIM)
    cam_from_world = np.linalg.inv(pose)
    where = oriented_boxes.project(points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3], intrinsics)
    pixels = np.floor(np.nan_to_num(where, nan=-1)).astype(np.int64)
    inside = np.all((pixels >= 0) & (pixels < mask.shape[::-1]), axis=1)
    out = np.full(len(points), np.nan)
    out[inside] = mask[pixels[inside, 1], pixels[inside, 0]]
    return out


def fit_box(points: Array, eye: Array) -> OrientedBox:
    """The smallest box around points that were seen from about `eye` (3,), with the side that nobody saw."""
    axes = _axes(points)
    turned = points @ axes.T
    low, high = np.percentile(turned, LOW, axis=0), np.percentile(turned, HIGH, axis=0)
    ahead = (low + high) / 2 - axes @ eye
    axis = int(np.argmax(np.abs(ahead)))
    extent = np.maximum(high - low, THINNEST)
    across = np.delete(extent, axis)
    depth = complete_depth(float(extent[axis]), float(across.min()))
    if ahead[axis] > 0:
        high[axis] = low[axis] + depth
    else:
        low[axis] = high[axis] - depth
    extent[axis] = depth
    return OrientedBox(axes.T @ ((low + high) / 2), axes, extent)


def complete_depth(shown: float, narrow: float) -> float:
    """How deep a thing is of which the front shows `shown`, `narrow` across: round things show half."""
    return max(shown, min(2 * shown, narrow))


def _axes(points: Array) -> Array:
    """Axes (3, 3), as rows, of the box of least volume that lies on a face of the convex hull."""
    middle = points - points.mean(axis=0)
    _, spread, principal = np.linalg.svd(middle, full_matrices=False)
    away = np.linalg.norm(middle @ principal.T / np.maximum(spread, 1e-9), axis=1)
    # stray points are far out in the measure of the cloud itself
    kept = points[away <= np.percentile(away, FARTHEST)]
    try:
        hull = ConvexHull(kept)
    except (QhullError, ValueError):
        return _right_handed(principal)
    corners = kept[hull.vertices]
    best = _right_handed(principal)
    least = float(np.prod(np.ptp(corners @ best.T, axis=0)))
    for normal in _faces(hull):
        first = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
        first /= np.linalg.norm(first)
        second = np.cross(normal, first)
        flat = np.stack([corners @ first, corners @ second], axis=1).astype(np.float32)
        (_, (wide, tall), degrees) = cv2.minAreaRect(flat)
        volume = wide * tall * float(np.ptp(corners @ normal))
        if volume < least:
            turn = np.radians(degrees)
            along = np.cos(turn) * first + np.sin(turn) * second
            least, best = volume, np.stack([along, np.cross(normal, along), normal])
    return best


def _faces(hull: ConvexHull) -> list[Array]:
    """Normals of the largest faces, no two within `APART`."""
    triangles = hull.points[hull.simplices]
    areas = np.linalg.norm(
        np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1
    )
    found: list[Array] = []
    for face in np.argsort(-areas, kind="stable"):
        normal = hull.equations[face, :3]
        if all(abs(float(normal @ other)) < np.cos(np.radians(APART)) for other in found):
            found.append(normal)
        if len(found) == FACES:
            break
    return found


def _right_handed(axes: Array) -> Array:
    return axes if np.linalg.det(axes) > 0 else axes * np.array([[1.0], [1.0], [-1.0]])
