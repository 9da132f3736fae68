"""The visible surface of a track: its own depth points, whether it stands still, and a box around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from workers.datasets import oriented_boxes
from workers.datasets.observations import TrackObservation
from workers.formats.rle import decode_mask

Array = NDArray[np.float64]
# of an object's width: a surface that lies farther behind belongs to something else, for masks bleed over
# edges. Chosen, not measured
GAP = 0.5
# frames whose masks are compared; chosen for speed
COMPARED_FRAMES = 8
# pixels by which the rim of a mask may be off
RIM = np.ones((5, 5), np.uint8)
# median share of an object's points beside its masks: rendered objects that stand have up to 0.006, those
# that move or turn 0.04 and more
BESIDE = 0.02
# share of the frames that see a point which have to see it inside the mask; chosen, not measured
AGREED = 0.9
# points of all frames together; chosen for speed
POINTS = 4000
# percentiles of coordinates that span a static object
LOW, HIGH = 0.5, 99.5
# faces of the convex hull whose directions are tried, and degrees between two of them; chosen for speed
FACES, APART = 40, 5.0
# percentile of the distance to the middle beyond which points count as stray
FARTHEST = 99.5
# metres: the depth of a photo on a wall has no thickness, and a box needs some
THINNEST = 1e-4


@dataclass(frozen=True, slots=True)
class OrientedBox:
    """Centre (3,), axes as rows (3, 3), full edge lengths (3,)."""

    center: Array
    axes: Array
    size: Array


def select_own_points(item: TrackObservation, intrinsics: Array) -> Array | None:
    """The camera-frame points (N, 3) of the surface that fills most of a mask; K is (3, 3)."""
    if item.points is None or not len(item.points):
        return item.points
    depth = np.sort(item.points[:, 2])
    narrow = min(item.box[2] - item.box[0], item.box[3] - item.box[1])
    width = narrow * float(np.median(depth)) / float(intrinsics[0, 0])
    breaks = np.flatnonzero(np.diff(depth) > GAP * width) + 1
    main = max(np.split(depth, breaks), key=len)
    return np.asarray(item.points[(item.points[:, 2] >= main[0]) & (item.points[:, 2] <= main[-1])])


def find_static_points(
    observations: Sequence[TrackObservation],
    clouds: Mapping[int, Array],
    poses: Mapping[int, Array],
    intrinsics: Array,
) -> Array | None:
    """Points (N, 3) in the world of an object that stands still; None for one that moves or turns.

    `clouds` are camera-frame points (N, 3) and `poses` world_from_cam (4, 4), both by frame. When nothing
    moves, the points of all frames fall into the masks of each. Points that seldom do belong to something
    else that a mask bled onto.
    """
    clear = [
        item
        for item in observations
        if item.frame in clouds and not {"truncated", "occluded"} & set(item.flags)
    ]
    if len(clear) < 3:
        return None
    points = np.concatenate(
        [cloud @ poses[frame][:3, :3].T + poses[frame][:3, 3] for frame, cloud in clouds.items()]
    )
    points = points[:: max(1, len(points) // POINTS)]
    compared = clear[:: max(1, len(clear) // COMPARED_FRAMES)]
    inside = np.stack([_is_inside(points, item, poses[item.frame], intrinsics) for item in compared])
    visible, hit = np.isfinite(inside), inside == 1
    if float(np.median(1 - hit.sum(axis=1) / np.maximum(visible.sum(axis=1), 1))) > BESIDE:
        return None
    own = points[hit.sum(axis=0) >= AGREED * visible.sum(axis=0)]
    return np.asarray(own) if len(own) >= 4 else None


def _is_inside(points: Array, item: TrackObservation, pose: Array, intrinsics: Array) -> Array:
    """1 for each world point (N, 3) inside the mask of a frame, 0 beside it, NaN outside the image."""
    mask = cv2.dilate(decode_mask(item.mask).astype(np.uint8), RIM)
    cam_from_world = np.linalg.inv(pose)
    projected = oriented_boxes.project(points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3], intrinsics)
    pixels = np.floor(np.nan_to_num(projected, nan=-1)).astype(np.int64)
    in_image = np.all((pixels >= 0) & (pixels < mask.shape[::-1]), axis=1)
    out = np.full(len(points), np.nan)
    out[in_image] = mask[pixels[in_image, 1], pixels[in_image, 0]]
    return out


def fit_box(points: Array, eye: Array) -> OrientedBox:
    """The smallest box around world points (N, 3) that were seen from about `eye` (3,).

    The side away from `eye` was not seen; `complete_depth` says how far behind the front it lies.
    """
    axes = _find_axes(points)
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
    """How deep an object is whose front is `shown` deep and `narrow` wide: of round objects half is seen."""
    return max(shown, min(2 * shown, narrow))


def _find_axes(points: Array) -> Array:
    """Axes (3, 3), as rows, of the box of least volume that lies on a face of the convex hull."""
    middle = points - points.mean(axis=0)
    _, spread, principal = np.linalg.svd(middle, full_matrices=False)
    # stray points are far out relative to the spread of the cloud itself
    distance = np.linalg.norm(middle @ principal.T / np.maximum(spread, 1e-9), axis=1)
    kept = points[distance <= np.percentile(distance, FARTHEST)]
    best = _make_right_handed(principal)
    try:
        hull = ConvexHull(kept)
    except (QhullError, ValueError):
        return best
    corners = kept[hull.vertices]
    least = float(np.prod(np.ptp(corners @ best.T, axis=0)))
    for normal in _select_faces(hull):
        axes, volume = _fit_on_face(corners, normal)
        if volume < least:
            least, best = volume, axes
    return best


def _fit_on_face(corners: Array, normal: Array) -> tuple[Array, float]:
    """Axes and volume of the smallest box with a side along a face of the hull."""
    first = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    flat = np.stack([corners @ first, corners @ second], axis=1).astype(np.float32)
    (_, (width, height), degrees) = cv2.minAreaRect(flat)
    turn = np.radians(degrees)
    along = np.cos(turn) * first + np.sin(turn) * second
    volume = width * height * float(np.ptp(corners @ normal))
    return np.stack([along, np.cross(normal, along), normal]), volume


def _select_faces(hull: ConvexHull) -> list[Array]:
    """Normals of the largest faces, no two within `APART` degrees."""
    triangles = hull.points[hull.simplices]
    areas = np.linalg.norm(
        np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1
    )
    normals: list[Array] = []
    for face in np.argsort(-areas, kind="stable"):
        normal = hull.equations[face, :3]
        if all(abs(float(normal @ other)) < np.cos(np.radians(APART)) for other in normals):
            normals.append(normal)
        if len(normals) == FACES:
            break
    return normals


def _make_right_handed(axes: Array) -> Array:
    return axes if np.linalg.det(axes) > 0 else axes * np.array([[1.0], [1.0], [-1.0]])
