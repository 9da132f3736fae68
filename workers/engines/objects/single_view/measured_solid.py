"""A box or a solid of revolution whose front was measured: bowls, open boxes, and shelves with a back.

The outline and the back are the solid's; where the depth map shows a front inside it, it is hollow.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.engines.objects.single_view.closed_sheet import MIN_THICKNESS, close_sheet
from workers.engines.objects.single_view.depth_fusion import read_depth, spread_residuals
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.relaxation import spread_evenly
from workers.engines.objects.single_view.surface import Surface, surface_from_closed_sheet
from workers.engines.objects.single_view.thickness import estimate_thickness
from workers.engines.objects.single_view.triangulation import triangulate
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize

Array = NDArray[np.float64]


def build_measured_solid(vertices: Array, faces: NDArray[np.int64], axes: Array, view: MaskView) -> Surface:
    """The surface of a view's outline between what was measured and the back of a mesh (V, 3) in metres.

    `axes` (3, 3) has the solid's x, y (up) and z (to the camera) as rows.
    """
    assert view.depth is not None
    sheet = triangulate(view.lattice)
    thickness = estimate_thickness(view.lattice, sheet)
    sheet = spread_evenly(sheet, thickness)
    camera = view.coarse.camera
    rays = view.camera.unproject(sheet.points, np.ones(len(sheet.points)))
    front, back = (
        _read_samples(depth, camera.project(rays)) for depth in _rasterize_both(vertices, faces, camera)
    )
    measured, known = read_depth(view.depth, view.own_depth, sheet.points)
    size = float(np.ptp(vertices, axis=0).max())
    believed = known & (measured < back)
    if believed.any():
        shift = spread_residuals(measured - front, believed, sheet.points, view.depth_noise)
        front = np.where(believed, front + shift, front)
    back = np.maximum(back, front + MIN_THICKNESS * size)
    inner = sheet.inner
    rim = (front[inner:] + back[inner:]) / 2
    closed = close_sheet(sheet, view.camera, front[:inner], back[:inner], rim)
    return replace(surface_from_closed_sheet(closed, thickness, is_metric=True), axes=axes)


def _rasterize_both(vertices: Array, faces: NDArray[np.int64], camera: Camera) -> tuple[Array, Array]:
    """z (h, w) of the nearest and of the farthest surface, NaN outside."""
    nearest = rasterize(vertices, faces, camera).depth
    # 1 / z to constant - 1 / z keeps planes and pixels, and turns far into near
    constant = 2 / float(vertices[:, 2].min())
    turned = vertices / (vertices[:, 2:] * (constant - 1 / vertices[:, 2:]))
    farthest = 1 / (constant - 1 / rasterize(turned, faces, camera).depth)
    hit = np.isfinite(nearest)
    return np.where(hit, nearest, np.nan), np.where(hit, farthest, np.nan)


def _read_samples(depth: Array, pixels: Array) -> Array:
    """Values (N,) of samples (h, w) at pixels (N, 2); those outside take the nearest one."""
    source = ndimage.distance_transform_edt(np.isnan(depth), return_distances=False, return_indices=True)
    where = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    return np.asarray(ndimage.map_coordinates(depth[source[0], source[1]], where, order=1, mode="nearest"))
