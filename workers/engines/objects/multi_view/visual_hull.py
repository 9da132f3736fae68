"""The visual hull of several masks as a signed distance on a grid, and the plane the object stands on.

A point's value is the least of its distances to the masks' outlines, each turned from pixels to length at
the point's depth, so that the zero level is smooth. A frame says nothing of what lies outside it; what lies
outside most frames is empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from workers.geometry.posed_cameras import PosedCamera, intersect_lines

Array = NDArray[np.float64]
Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
FINE, COARSE = 112, 48
MARGIN = 1.15
STANDING_SHARE = 0.004
LOOKED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Grid:
    """A cube of points: `side` points along each axis from `low` (3,), `step` apart, turned by `axes`.

    `axes` (3, 3) has the grid's directions in the world as rows; the second one is up.
    """

    low: Array
    step: float
    side: int
    axes: Array

    def layer(self, index: int) -> Array:
        """World points (side * side, 3) of the layer at the first coordinate `index`."""
        k = np.arange(self.side) * self.step
        y, z = np.meshgrid(k, k, indexing="ij")
        local = np.stack([np.full(y.size, index * self.step), y.ravel(), z.ravel()], axis=1) + self.low
        return np.asarray(local @ self.axes)

    def world(self, indices: Array) -> Array:
        """World points (N, 3) of grid coordinates (N, 3)."""
        return np.asarray((indices * self.step + self.low) @ self.axes)


class EmptyHull(ValueError):
    """No point lies inside all masks: the cameras or the masks are wrong."""


def carve(masks: Sequence[Mask], views: Sequence[PosedCamera], up: Array) -> tuple[Grid, Field]:
    """The grid around the object and the hull's signed distance (side,) * 3 on it, positive inside.

    Raises EmptyHull where the masks have nothing in common.
    """
    inside = [signed_distance(mask) for mask in masks]
    rough = around(masks, views, up)
    field = distances(rough, inside, views)
    held = np.argwhere(field > -rough.step)
    if not len(held) or not (field > 0).any():
        raise EmptyHull("no point lies inside all masks: the cameras do not fit the masks")
    low, high = held.min(axis=0) - 1.5, held.max(axis=0) + 1.5
    size = float((high - low).max()) * rough.step
    centre = (low + high) / 2 * rough.step + rough.low
    fine = Grid(centre - size / 2, size / (FINE - 1), FINE, rough.axes)
    return fine, distances(fine, inside, views)


def signed_distance(mask: Mask) -> Field:
    """Distance in pixels of each pixel centre (H, W) to the mask's edge, positive inside."""
    filled = mask.astype(np.uint8)
    inside = cv2.distanceTransform(filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - filled, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside), dtype=np.float32)


def distances(grid: Grid, inside: Sequence[Field], views: Sequence[PosedCamera]) -> Field:
    """The least distance to any outline at each point of the grid, in its unit; -1 where few frames look."""
    needed = max(1, round(LOOKED_SHARE * len(views)))
    out = np.empty((grid.side,) * 3, dtype=np.float32)
    for index in range(grid.side):
        points = grid.layer(index)
        least = np.full((grid.side, grid.side), np.inf, dtype=np.float32)
        looked = np.zeros(least.shape, dtype=np.int64)
        for field, view in zip(inside, views, strict=True):
            pixels, depth = view.project(points)
            x, y = np.moveaxis((pixels - 0.5).astype(np.float32).reshape(grid.side, grid.side, 2), 2, 0)
            depth = depth.reshape(x.shape)
            height, width = field.shape
            seen = (depth > 0) & (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)
            columns, rows = np.ascontiguousarray(x), np.ascontiguousarray(y)
            found = cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            length = found.reshape(x.shape) * (depth / view.camera.fx).astype(np.float32)
            least = np.where(seen, np.minimum(least, length), least)
            looked += seen
        out[index] = np.where(looked >= needed, least, -1.0)
    return out


def standing_height(
    grid: Grid, field: Field, masks: Sequence[Mask], views: Sequence[PosedCamera]
) -> float | None:
    """How high along the grid's second axis the object stands, None where no view looks down on it.

    Below what an object stands on, cameras that look down leave a cone of the hull. The plane is raised as
    long as what is above it still covers the masks.
    """
    step = max(1, grid.side // COARSE)
    held = np.argwhere(field > 0)
    held = held[(held % step == 0).all(axis=1)]
    points = grid.world(held.astype(np.float64))
    heights = held[:, 1] * grid.step + grid.low[1]
    found = []
    for mask, view in zip(masks, views, strict=True):
        if -view.cam_from_world.rotation_matrix()[2] @ grid.axes[1] < np.sin(np.radians(5)):
            continue
        pixels, depth = view.project(points)
        cell = max(1.6 * step * grid.step * view.camera.fx / float(np.median(depth)), 1.0)
        at = np.floor(pixels / cell).astype(np.int64)
        width, height = int(mask.shape[1] / cell) + 1, int(mask.shape[0] / cell) + 1
        ok = (at >= 0).all(axis=1) & (at[:, 0] < width) & (at[:, 1] < height)
        highest = np.full(width * height, -np.inf)
        np.maximum.at(highest, at[ok, 1] * width + at[ok, 0], heights[ok])
        covered = np.sort(highest[np.isfinite(highest)])
        if len(covered):
            found.append(covered[int(STANDING_SHARE * len(covered))] - step * grid.step / 2)
    return float(np.median(found)) if found else None


def clip_below(grid: Grid, field: Field, height: float) -> Field:
    """The field without what lies below a height along the grid's second axis."""
    above = (np.arange(grid.side) * grid.step + grid.low[1] - height).astype(np.float32)
    return np.asarray(np.minimum(field, above[None, :, None]), dtype=np.float32)


def surface(grid: Grid, field: Field) -> tuple[Array, NDArray[np.int64]]:
    """The zero level as a closed mesh: world vertices (V, 3) and faces (F, 3), counter-clockwise outside.

    Raises EmptyHull where nothing is inside.
    """
    smooth = cv2.GaussianBlur(field.reshape(grid.side, -1), (1, 3), 0).reshape(field.shape)
    padded = np.pad(smooth, 1, constant_values=-grid.step)
    if padded.max() <= 0:
        raise EmptyHull("nothing is left of the object: the cameras do not fit the masks")
    vertices, faces, _, _ = marching_cubes(padded, 0.0)
    # skimage winds towards higher values, which are inside here
    return grid.world(vertices.astype(np.float64) - 1), faces[:, ::-1].astype(np.int64)


def middle(masks: Sequence[Mask], views: Sequence[PosedCamera]) -> Array:
    """About where the object's middle is in the world: where the rays through the masks' middles meet."""
    pixels = [np.argwhere(mask).mean(axis=0)[::-1] + 0.5 for mask in masks]
    rays = np.stack([view.ray(pixel) for view, pixel in zip(views, pixels, strict=True)])
    return intersect_lines(np.stack([view.centre() for view in views]), rays)


def around(masks: Sequence[Mask], views: Sequence[PosedCamera], up: Array) -> Grid:
    """A rough grid that holds the object: about where the rays of the masks' middles meet."""
    reach = [float(max(np.ptp(np.flatnonzero(mask.any(axis=k))) for k in (0, 1)) + 1) / 2 for mask in masks]
    origins = np.stack([view.centre() for view in views])
    target = middle(masks, views)
    rays = (target - origins) / np.linalg.norm(target - origins, axis=1, keepdims=True)
    depth = np.maximum(((target - origins) * rays).sum(axis=1), 1e-6)
    radius = MARGIN * float(
        np.median([r * d / view.camera.fx for r, d, view in zip(reach, depth, views, strict=True)])
    )
    # a narrow arc draws the hull out along the view
    radius *= 1.6
    side = np.cross(up, rays[0])
    side = side / np.linalg.norm(side) if np.linalg.norm(side) > 1e-6 else np.eye(3)[np.abs(up).argmin()]
    ahead = np.cross(side, up)
    axes = np.stack([side, up, ahead / np.linalg.norm(ahead)])
    axes[0] = np.cross(axes[1], axes[2])
    return Grid(axes @ target - radius, 2 * radius / (COARSE - 1), COARSE, axes)
