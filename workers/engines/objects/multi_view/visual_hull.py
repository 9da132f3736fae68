"""The visual hull of several masks (Laurentini 1994) as a signed distance on a grid.

A point's value is the smallest of its distances to the masks' outlines, each converted from pixels to length
at the point's depth, so that the zero level is smooth. A view says nothing about what lies outside its image;
what lies outside most images is empty.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.distance_field import (
    Array,
    DistanceField,
    Distances,
    EmptyHullError,
    Grid,
)
from workers.engines.objects.multi_view.views import MaskedViews
from workers.geometry.posed_cameras import PosedCamera, intersect_lines

Mask = NDArray[np.bool_]
# Points along each side of the final and of the first, rough grid. The hull's time grows with the cube.
FINE_SIDE, ROUGH_SIDE = 112, 48
# The rough grid's half side in radii of the mask at the object's distance, and the factor for narrow arcs,
# which draw the hull out along the viewing direction.
MARGIN, NARROW_ARC_MARGIN = 1.15, 1.6
# Share of the views whose image must hold a point; less, and objects cut by many images grow towers.
MIN_VISIBLE_SHARE = 0.5
OUTSIDE_MOST_IMAGES = -1.0


def build_hull(views: MaskedViews, up: Array) -> DistanceField:
    """The hull on a grid around the object, whose second axis is `up` (3,).

    Raises EmptyHullError where the masks have nothing in common.
    """
    inside = [signed_distance(mask) for mask in views.masks]
    rough_grid = place_rough_grid(views, up)
    rough = _sample_hull(rough_grid, inside, views.cameras)
    held = np.argwhere(rough.values > -rough_grid.step)
    if not len(held) or rough.is_empty():
        raise EmptyHullError("no point lies inside all masks: the cameras do not fit the masks")
    low, high = held.min(axis=0) - 1.5, held.max(axis=0) + 1.5
    size = float((high - low).max()) * rough_grid.step
    centre = (low + high) / 2 * rough_grid.step + rough_grid.low
    fine_grid = Grid(centre - size / 2, size / (FINE_SIDE - 1), FINE_SIDE, rough_grid.axes)
    return _sample_hull(fine_grid, inside, views.cameras)


def signed_distance(mask: Mask) -> Distances:
    """Distance in pixels of each pixel centre (H, W) to the mask's outline, positive inside."""
    filled = mask.astype(np.uint8)
    inside = cv2.distanceTransform(filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside), dtype=np.float32)


def triangulate_centre(views: MaskedViews) -> Array:
    """About where the object's centre is in the world (3,): where rays through the masks' centres meet."""
    pixels = [np.argwhere(mask).mean(axis=0)[::-1] + 0.5 for mask in views.masks]
    rays = np.stack([view.ray(pixel) for view, pixel in zip(views.cameras, pixels, strict=True)])
    return intersect_lines(views.centres(), rays)


def place_rough_grid(views: MaskedViews, up: Array) -> Grid:
    """A grid of `ROUGH_SIDE` points that holds the object, with `up` (3,) as its second axis."""
    radii = [
        float(max(np.ptp(np.flatnonzero(mask.any(axis=k))) for k in (0, 1)) + 1) / 2 for mask in views.masks
    ]
    origins = views.centres()
    target = triangulate_centre(views)
    rays = (target - origins) / np.linalg.norm(target - origins, axis=1, keepdims=True)
    depth = np.maximum(((target - origins) * rays).sum(axis=1), 1e-6)
    lengths = [r * d / view.camera.fx for r, d, view in zip(radii, depth, views.cameras, strict=True)]
    radius = MARGIN * float(np.median(lengths))
    radius *= NARROW_ARC_MARGIN
    side = np.cross(up, rays[0])
    side = side / np.linalg.norm(side) if np.linalg.norm(side) > 1e-6 else np.eye(3)[np.abs(up).argmin()]
    ahead = np.cross(side, up)
    axes = np.stack([side, up, ahead / np.linalg.norm(ahead)])
    axes[0] = np.cross(axes[1], axes[2])
    return Grid(axes @ target - radius, 2 * radius / (ROUGH_SIDE - 1), ROUGH_SIDE, axes)


def _sample_hull(grid: Grid, inside: Sequence[Distances], cameras: Sequence[PosedCamera]) -> DistanceField:
    """The smallest distance to any outline at each point; `inside` has `signed_distance` of each mask."""
    needed = max(1, round(MIN_VISIBLE_SHARE * len(cameras)))
    values = np.empty((grid.side,) * 3, dtype=np.float32)
    for index in range(grid.side):
        points = grid.layer(index)
        smallest = np.full((grid.side, grid.side), np.inf, dtype=np.float32)
        visible_in = np.zeros(smallest.shape, dtype=np.int64)
        for distance, view in zip(inside, cameras, strict=True):
            length, visible = _project_distance(points, distance, view, grid.side)
            smallest = np.where(visible, np.minimum(smallest, length), smallest)
            visible_in += visible
        values[index] = np.where(visible_in >= needed, smallest, OUTSIDE_MOST_IMAGES)
    return DistanceField(grid, values)


def _project_distance(
    points: Array, distance: Distances, view: PosedCamera, side: int
) -> tuple[Distances, Mask]:
    """One view's distances at a layer's points, as lengths (side, side), and which points its image holds."""
    pixels, depth = view.project(points)
    x, y = np.moveaxis((pixels - 0.5).astype(np.float32).reshape(side, side, 2), 2, 0)
    depth = depth.reshape(x.shape)
    height, width = distance.shape
    visible = (depth > 0) & (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)
    columns, rows = np.ascontiguousarray(x), np.ascontiguousarray(y)
    sampled = cv2.remap(distance, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    length = sampled.reshape(x.shape) * (depth / view.camera.fx).astype(np.float32)
    return length, visible
