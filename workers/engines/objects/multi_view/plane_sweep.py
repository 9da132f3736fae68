"""Depth maps of views inside the visual hull, by comparing colours between views.

Plane sweep (Collins 1996): neighbouring views are warped to a view by the homographies of planes that face
it, and the depth whose colours agree best over a small window is taken. Of the neighbours only the better
two count (Kang, Szeliski & Chai 2001), since the others may not see the point. Where several depths explain
the colours equally well, the nearest one counts, so that the hull stays where nothing speaks against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.distance_field import Array, DistanceField
from workers.engines.objects.splats.view_crops import ViewCrop
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera

Mask = NDArray[np.bool_]
Costs = NDArray[np.float32]
Crop = NDArray[np.uint8]
# Views that each view is compared with, and the fewest it needs.
NEIGHBOURS, MIN_NEIGHBOURS = 4, 2
# Degrees between the viewing directions of compared views: the preferred angle, and the bounds. Closer views
# tell little about depth, farther ones see other sides.
PREFERRED_ANGLE, MIN_ANGLE, MAX_ANGLE = 20.0, 3.0, 50.0
# Side in pixels of the window over which colours are compared.
WINDOW = 5
# Distance between planes, in steps of the grid.
PLANE_STEPS = 1.5
# Mean differences in grey levels (0 to 255): where a pixel's cost saturates, within which depths count as
# equally good, and above which nothing matches.
MAX_DIFFERENCE, EQUAL_DIFFERENCE, MAX_MATCH = 60.0, 2.0, 15.0
# Planes that the nearest good depth may move on to reach the bottom of its minimum.
DESCENT_PLANES = 6
# Planes that equally good depths may span where one of them counts as certain.
OPEN_PLANES = 6
OUTSIDE_HULL = np.float32(1e3)


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """z-depths (h, w) float32 of a view, in the world's unit; NaN where nothing matches."""

    view: PosedCamera
    depth: NDArray[np.float32]


def sweep_depths(
    crops: Sequence[ViewCrop], hull: DistanceField, points: Array, centre: Array
) -> list[DepthMap] | None:
    """A depth map of each crop inside the hull; None where a view has too few neighbours.

    `points` (V, 3) are the vertices of the hull, `centre` (3,) is what all views look at.
    """
    neighbours = _find_neighbours([crop.view for crop in crops], centre)
    if neighbours is None:
        return None
    images = [np.round(255 * crop.color).astype(np.uint8) for crop in crops]
    depth_maps = []
    for crop, image, chosen in zip(crops, images, neighbours, strict=True):
        others = [(images[k], crops[k].view) for k in chosen]
        costs, planes = _sweep(crop, image, others, hull, points)
        depth_maps.append(DepthMap(crop.view, _pick_nearest_good(costs, planes, crop.alpha > 0.5)))
    return depth_maps


def sweep_certain_depth(
    crops: Sequence[ViewCrop], number: int, hull: DistanceField, points: Array, centre: Array
) -> DepthMap | None:
    """The depth map of one crop where colours leave no other depth open; None as for `sweep_depths`."""
    neighbours = _find_neighbours([crop.view for crop in crops], centre)
    if neighbours is None:
        return None
    images = [np.round(255 * crop.color).astype(np.uint8) for crop in crops]
    others = [(images[k], crops[k].view) for k in neighbours[number]]
    crop = crops[number]
    costs, planes = _sweep(crop, images[number], others, hull, points)
    depth = _pick_nearest_good(costs, planes, crop.alpha > 0.5)
    good = costs <= costs.min(axis=0) + EQUAL_DIFFERENCE
    nearest, farthest = good.argmax(axis=0), len(planes) - 1 - good[::-1].argmax(axis=0)
    return DepthMap(crop.view, np.where(farthest - nearest <= OPEN_PLANES, depth, np.nan).astype(np.float32))


def _sweep(
    crop: ViewCrop,
    image: Crop,
    others: Sequence[tuple[Crop, PosedCamera]],
    hull: DistanceField,
    points: Array,
) -> tuple[Costs, Array]:
    """The costs (planes, h, w) of a view's depths inside the hull, and the planes' z."""
    z = crop.view.cam_from_world.apply(points)[:, 2]
    step = PLANE_STEPS * hull.grid.step
    planes = np.arange(float(z.min()) - step, float(z.max()) + 2 * step, step)
    mask = crop.alpha > 0.5
    costs = _compute_costs(image, crop.view, mask, planes, others)
    costs[~_find_points_in_hull(crop.view, mask, planes, hull)] = OUTSIDE_HULL
    return costs, planes


def _find_neighbours(views: Sequence[PosedCamera], centre: Array) -> list[list[int]] | None:
    """For each view the places of those it is compared with; None where one has too few."""
    directions = np.stack([centre - view.centre() for view in views])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    angles = np.degrees(np.arccos(np.clip(directions @ directions.T, -1, 1)))
    out = []
    for row in angles:
        order = np.argsort(np.abs(row - PREFERRED_ANGLE), kind="stable")
        chosen = [int(k) for k in order if MIN_ANGLE < row[k] < MAX_ANGLE][:NEIGHBOURS]
        if len(chosen) < MIN_NEIGHBOURS:
            return None
        out.append(chosen)
    return out


def _opencv_matrix(camera: Camera) -> Array:
    """Intrinsics (3, 3) for pixel centres at whole numbers, as OpenCV has them."""
    out = camera.matrix().copy()
    out[:2, 2] -= 0.5
    return out


def _find_points_in_hull(view: PosedCamera, mask: Mask, planes: Array, hull: DistanceField) -> Mask:
    """Which points of the sweep (planes, h, w) lie in the hull or up to a step outside it."""
    grid = hull.grid
    rows, columns = np.nonzero(mask)
    pixels = np.stack([columns, rows, np.ones(len(rows))], axis=1)
    local = pixels @ np.linalg.inv(_opencv_matrix(view.camera)).T
    rays = local @ view.cam_from_world.rotation_matrix() @ grid.axes.T / grid.step
    start = (grid.axes @ view.centre() - grid.low) / grid.step
    out = np.zeros((len(planes), *mask.shape), dtype=bool)
    for number, z in enumerate(planes):
        at = np.clip(np.rint(start + rays * z).astype(np.int64), 0, grid.side - 1)
        out[number, rows, columns] = hull.values[at[:, 0], at[:, 1], at[:, 2]] > -grid.step
    return out


def _compute_costs(
    image: Crop, view: PosedCamera, mask: Mask, planes: Array, others: Sequence[tuple[Crop, PosedCamera]]
) -> Costs:
    """Mean colour difference (planes, h, w) in grey levels over the window, of the better two neighbours."""
    height, width = mask.shape
    inside = mask.astype(np.float32)
    share = 1 / np.maximum(cv2.boxFilter(inside, -1, (WINDOW, WINDOW), normalize=False), 1)
    mean = np.full((1, 3), 1 / 3, dtype=np.float32)
    first = np.full((len(planes), height, width), MAX_DIFFERENCE, dtype=np.float32)
    second = first.copy()
    for other, other_view in others:
        for number, homography in enumerate(_plane_homographies(view, other_view, planes)):
            warped = cv2.warpPerspective(
                other, homography, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            )
            difference = cv2.transform(cv2.absdiff(warped, image), mean).astype(np.float32)
            np.minimum(difference, MAX_DIFFERENCE, out=difference)
            difference *= inside
            cost = cv2.boxFilter(difference, -1, (WINDOW, WINDOW), normalize=False) * share
            worse = np.maximum(first[number], cost)
            np.minimum(first[number], cost, out=first[number])
            np.minimum(second[number], worse, out=second[number])
    return np.asarray((first + second) / 2, dtype=np.float32)


def _plane_homographies(view: PosedCamera, other: PosedCamera, planes: Array) -> list[Array]:
    """From pixels of `view` to those of `other` for planes at depth z: Hartley & Zisserman 2004, eq. 13.2."""
    rotation, translation = view.cam_from_world.rotation_matrix(), np.asarray(view.cam_from_world.translation)
    inverse = np.linalg.inv(_opencv_matrix(view.camera))
    relative = other.cam_from_world.rotation_matrix() @ rotation.T
    offset = np.asarray(other.cam_from_world.translation) - relative @ translation
    base = _opencv_matrix(other.camera) @ relative @ inverse
    shift = _opencv_matrix(other.camera) @ offset
    out = []
    for z in planes:
        homography = base.copy()
        homography[:, 2] += shift / z
        out.append(homography)
    return out


def _pick_nearest_good(costs: Costs, planes: Array, mask: Mask) -> NDArray[np.float32]:
    """The nearest depth (h, w) that is about as good as the best, between planes by a parabola."""
    last = len(planes) - 1

    def cost_at(index: NDArray[np.int64]) -> Costs:
        return np.asarray(np.take_along_axis(costs, np.clip(index, 0, last)[None], axis=0)[0])

    at = (costs <= costs.min(axis=0) + EQUAL_DIFFERENCE).argmax(axis=0)
    for _ in range(DESCENT_PLANES):
        at = np.where(cost_at(at + 1) < cost_at(at), np.minimum(at + 1, last), at)
    here, before, behind = cost_at(at), cost_at(at - 1), cost_at(at + 1)
    curvature = before - 2 * here + behind
    smooth = (before < OUTSIDE_HULL) & (behind < OUTSIDE_HULL) & (curvature > 1e-6)
    offset = np.clip((before - behind) / (2 * np.maximum(curvature, 1e-6)), -0.5, 0.5)
    depth = planes[at] + np.where(smooth, offset, 0.0) * (planes[1] - planes[0])
    return np.where(mask & (here < MAX_MATCH), depth, np.nan).astype(np.float32)
