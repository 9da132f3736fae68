"""The height at which an object stands.

Below what an object stands on, cameras that look down leave a cone of the hull. The plane is raised as long
as what is above it still covers the masks.
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.distance_field import Array, DistanceField
from workers.engines.objects.multi_view.views import MaskedViews
from workers.geometry.posed_cameras import PosedCamera

Mask = NDArray[np.bool_]
# Share of a mask that may be uncovered by what is above the plane: a few cells at the outline.
UNCOVERED_SHARE = 0.004
# A camera that looks down by less, in degrees, sees no cone under the object.
MIN_PITCH = 5.0
# Points along each side of the grid that are looked at: the hull's points are thinned for speed.
SAMPLED_SIDE = 48
# Cells of the image, in steps of the thinned grid, so that every cell of a covered mask holds a point.
CELL_STEPS = 1.6


def find_support_height(hull: DistanceField, views: MaskedViews) -> float | None:
    """How high along the grid's second axis the object stands, None where no view looks down on it."""
    grid = hull.grid
    stride = max(1, grid.side // SAMPLED_SIDE)
    held = np.argwhere(hull.values > 0)
    held = held[(held % stride == 0).all(axis=1)]
    points = grid.to_world(held.astype(np.float64))
    heights = held[:, 1] * grid.step + grid.low[1]
    highest_planes = []
    for mask, view in zip(views.masks, views.cameras, strict=True):
        if -view.cam_from_world.rotation_matrix()[2] @ grid.axes[1] < np.sin(np.radians(MIN_PITCH)):
            continue
        covering = _covering_heights(points, heights, mask, view, stride * grid.step)
        if len(covering):
            lowest_needed = covering[int(UNCOVERED_SHARE * len(covering))]
            highest_planes.append(lowest_needed - stride * grid.step / 2)
    return float(np.median(highest_planes)) if highest_planes else None


def _covering_heights(points: Array, heights: Array, mask: Mask, view: PosedCamera, spacing: float) -> Array:
    """For each covered cell of a view's image the height of the highest point in it, in ascending order."""
    pixels, depth = view.project(points)
    cell = max(CELL_STEPS * spacing * view.camera.fx / float(np.median(depth)), 1.0)
    cells = np.floor(pixels / cell).astype(np.int64)
    width, height = int(mask.shape[1] / cell) + 1, int(mask.shape[0] / cell) + 1
    in_image = (cells >= 0).all(axis=1) & (cells[:, 0] < width) & (cells[:, 1] < height)
    highest = np.full(width * height, -np.inf)
    np.maximum.at(highest, cells[in_image, 1] * width + cells[in_image, 0], heights[in_image])
    return np.sort(highest[np.isfinite(highest)])
