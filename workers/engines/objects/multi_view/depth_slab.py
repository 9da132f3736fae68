"""Bounding the depth of a narrow arc's hull by the shape that one view alone gives."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.engines.objects.multi_view.carving import LONG_SIDE
from workers.engines.objects.multi_view.distance_field import Array, DistanceField
from workers.engines.objects.multi_view.plane_sweep import sweep_certain_depth
from workers.engines.objects.multi_view.views import (
    MaskedViews,
    SingleViewReconstructor,
    mean_silhouette_iou,
)
from workers.engines.objects.splats.view_crops import crop_views
from workers.geometry.mesh_renderer import rasterize
from workers.geometry.meshes import face_normals
from workers.geometry.posed_cameras import PosedCamera

# Degrees: below the first the hull has no depth of its own and is always cut; below the second it is cut
# where the masks agree nearly as well.
NARROW_ARC, WIDEST_ARC = 75.0, 200.0
# Room in front of and behind the shape, as shares of its size: the first, and where the masks object to it.
SLACKS = (0.03, 0.12)
# Mean IoU with the masks that a cut hull of a narrow arc should reach.
GOOD_IOU = 0.93
# Mean IoU that a cut may cost a wider arc.
MAX_IOU_LOSS = 0.03

# Share of a view's mask whose depth colours must determine: single certain values are chance. Chosen.
MIN_CERTAIN = 0.1


def bound_depth(
    hull: DistanceField, views: MaskedViews, single_view: SingleViewReconstructor, arc: float, centre: Array
) -> DistanceField:
    """The hull cut to the depth of one view's shape: always in a narrow arc, else where all masks agree.

    `arc` is in degrees, `centre` (3,) is the object's in the world. Above `WIDEST_ARC` the hull stays.
    """
    if arc >= WIDEST_ARC:
        return hull
    reference = _find_central_view(views.cameras, centre)
    view = views.cameras[reference]
    narrow = arc < NARROW_ARC
    depth = _sweep_depth(hull, views, reference, centre)
    asset = single_view(views.images[reference], views.masks[reference], camera=view.camera, depth=depth)
    vertices = asset.pose.apply(asset.mesh.vertices)
    if asset.scale_source != "metric":
        vertices = vertices * _find_scale(vertices, view, centre)
    needed = GOOD_IOU if narrow else mean_silhouette_iou(*hull.extract_mesh(), views) - MAX_IOU_LOSS
    for slack in SLACKS if narrow else SLACKS[:1]:
        cut = _cut_to_slab(hull, vertices, asset.mesh.faces, view, slack)
        if not cut.is_empty() and mean_silhouette_iou(*cut.extract_mesh(), views) >= needed:
            return cut
    return cut if narrow and not cut.is_empty() else hull


def _find_central_view(cameras: list[PosedCamera], centre: Array) -> int:
    """The view whose direction is nearest to the mean of all."""
    directions = np.stack([centre - view.centre() for view in cameras])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return int((directions @ directions.mean(axis=0)).argmax())


def _sweep_depth(
    hull: DistanceField, views: MaskedViews, reference: int, centre: Array
) -> NDArray[np.float32] | None:
    """z (H, W) of a view where other views leave no doubt, NaN elsewhere; None where that is little."""
    crops = crop_views(views.images, views.masks, views.cameras, LONG_SIDE)
    swept = sweep_certain_depth(crops, reference, hull, hull.extract_mesh()[0], centre)
    if swept is None:
        return None
    camera, crop = views.cameras[reference].camera, swept.view.camera
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    grid = np.stack([columns, rows], axis=-1).astype(np.float64) + 0.5
    pixels = np.floor(crop.project(camera.unproject(grid, np.ones(grid.shape[:2])))).astype(np.int64)
    column, row = pixels[..., 0], pixels[..., 1]
    inside = (column >= 0) & (row >= 0) & (column < crop.width) & (row < crop.height)
    depth = swept.depth[np.clip(row, 0, crop.height - 1), np.clip(column, 0, crop.width - 1)]
    known = inside & np.isfinite(depth) & views.masks[reference]
    if known.sum() < MIN_CERTAIN * views.masks[reference].sum():
        return None
    return np.where(known, depth, np.nan).astype(np.float32)


def _find_scale(vertices: Array, view: PosedCamera, centre: Array) -> float:
    """What brings a surface (V, 3) of unknown distance in a view's camera frame to `centre` (3,)."""
    target = float(view.project(centre[None])[1][0])
    return target / float((vertices[:, 2].min() + vertices[:, 2].max()) / 2)


def _cut_to_slab(
    hull: DistanceField, placed: Array, faces: NDArray[np.int64], view: PosedCamera, slack: float
) -> DistanceField:
    """The hull between the front and the back of a closed surface (V, 3) in a view's camera frame.

    `slack` times its size is left in front of it and behind it.
    """
    away = (face_normals(placed, faces) * placed[faces].mean(axis=1)).sum(axis=1) > 0
    near = rasterize(placed, faces, view.camera).depth
    far = rasterize(placed, faces[away], view.camera).depth
    hit = np.isfinite(near) & np.isfinite(far)
    source = ndimage.distance_transform_edt(~hit, return_distances=False, return_indices=True)
    near, far = near[source[0], source[1]], far[source[0], source[1]]
    margin = slack * float(np.ptp(placed, axis=0).max())
    side = hull.grid.side
    values = np.empty_like(hull.values)
    for index in range(side):
        pixels, z = view.project(hull.grid.layer(index))
        where = np.stack([pixels[:, 1], pixels[:, 0]]) - 0.5
        front = ndimage.map_coordinates(near, where, order=1, mode="nearest")
        back = ndimage.map_coordinates(far, where, order=1, mode="nearest")
        room = np.minimum(z - front, back - z) + margin
        values[index] = np.minimum(hull.values[index], room.reshape(side, side))
    return hull.with_values(values)
