"""From the hull of several views to a coloured surface: carved by colour, finished where no view looks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view import hole_filling as unseen
from workers.engines.objects.multi_view import visual_hull as hull
from workers.engines.objects.multi_view.carving import carve
from workers.engines.objects.multi_view.vertex_colors import colour
from workers.engines.objects.multi_view.visual_hull import Field, Grid
from workers.engines.protocols import Mask, Rgb
from workers.geometry.posed_cameras import PosedCamera

CIRCLE = 360.0


@dataclass(frozen=True, slots=True, eq=False)
class Surfaced:
    """A closed surface: world vertices (V, 3), faces (F, 3), sRGB (V, 3), and which vertices (V,) are seen.

    `carved_gain_db` tells by how much carving explains held-out views better, None where it was not kept.
    """

    points: NDArray[np.float64]
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    carved_gain_db: float | None
    hollow_guessed: bool
    underside_guessed: bool


def surfaced(
    grid: Grid,
    field: Field,
    floor: float | None,
    arc: float,
    images: Sequence[Rgb],
    masks: Sequence[Mask],
    views: Sequence[PosedCamera],
    *,
    carving: bool,
) -> Surfaced:
    """The surface of a hull's field that stands at `floor` along the grid's second axis, None if unknown.

    Without `carving` it is the hull's, also where no view looks.
    """
    carved = carve(grid, field, images, masks, views) if carving else None
    solid, deeper = field, None
    if carved is not None:
        field = carved.field
    points, faces = hull.surface(grid, field)
    colors, seen = colour(points, faces, images, views)
    if carved is not None and floor is not None and arc >= CIRCLE:
        deeper = unseen.deepen_hollows(points, faces, seen, grid, field, solid, floor)
    if deeper is not None:
        field = deeper
        points, faces = hull.surface(grid, field)
        colors, seen = colour(points, faces, images, views)
    flat = False
    if floor is not None and carving:
        points, flat = unseen.flatten_undersides(points, faces, seen, grid, field, floor)
    return Surfaced(
        points,
        faces,
        colors,
        seen,
        None if carved is None else carved.gain_db,
        deeper is not None,
        flat,
    )
