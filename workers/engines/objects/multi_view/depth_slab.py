"""How deep an object may be when its views span a narrow arc: as deep as one view's shape."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.engines.objects.multi_view.visual_hull import Field, Grid
from workers.geometry.mesh_renderer import rasterize
from workers.geometry.meshes import face_normals
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
NARROW_ARC = 75.0
USEFUL_ARC = 200.0
SLACKS = (0.03, 0.12)


def within_slab(
    grid: Grid,
    field: Field,
    vertices: Array,
    faces: NDArray[np.int64],
    view: PosedCamera,
    middle: Array,
    slack: float,
) -> Field:
    """The hull's field cut to the depths that a closed surface (V, 3), in a view's camera frame, has there.

    The surface's own distance is unknown: it is scaled to stand at `middle` (3,). `slack` times its size
    is left in front of it and behind it.
    """
    target = float(view.project(middle[None])[1][0])
    scale = target / float((vertices[:, 2].min() + vertices[:, 2].max()) / 2)
    placed = vertices * scale
    away = (face_normals(placed, faces) * placed[faces].mean(axis=1)).sum(axis=1) > 0
    near = rasterize(placed, faces, view.camera).depth
    far = rasterize(placed, faces[away], view.camera).depth
    hit = np.isfinite(near) & np.isfinite(far)
    source = ndimage.distance_transform_edt(~hit, return_distances=False, return_indices=True)
    near, far = near[source[0], source[1]], far[source[0], source[1]]
    room_for_error = slack * float(np.ptp(placed, axis=0).max())
    out = np.empty_like(field)
    for index in range(grid.side):
        pixels, z = view.project(grid.layer(index))
        where = np.stack([pixels[:, 1], pixels[:, 0]]) - 0.5
        front = ndimage.map_coordinates(near, where, order=1, mode="nearest")
        back = ndimage.map_coordinates(far, where, order=1, mode="nearest")
        room = np.minimum(z - front, back - z) + room_for_error
        out[index] = np.minimum(field[index], room.reshape(grid.side, grid.side))
    return out
