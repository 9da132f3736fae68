"""From the hull of several views to a coloured surface: carved by colour, completed where no view looks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.carving import carve_by_color
from workers.engines.objects.multi_view.distance_field import Array, DistanceField
from workers.engines.objects.multi_view.hole_filling import deepen_hollows, flatten_undersides
from workers.engines.objects.multi_view.vertex_colors import color_vertices
from workers.engines.objects.multi_view.views import MaskedViews

# Hollows are completed only when they are seen from all around.
CLOSED_ARC = 360.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ColoredSurface:
    """A closed surface: world vertices (V, 3), faces (F, 3), sRGB (V, 3), which vertices (V,) are visible.

    `carved_gain_db` is the gain of carving on held-out views, None where it was not kept. The two flags say
    which parts that no view sees were completed.
    """

    points: Array
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8]
    visible: NDArray[np.bool_]
    carved_gain_db: float | None
    hollow_guessed: bool
    underside_guessed: bool


def extract_surface(
    hull: DistanceField, floor: float | None, arc: float, views: MaskedViews, *, carve: bool
) -> ColoredSurface:
    """The surface of a hull that stands at `floor` along the grid's second axis, None if unknown.

    `arc` is in degrees. Without `carve` the surface is the hull's, also where no view looks.
    """
    carved = carve_by_color(hull, views) if carve else None
    field = hull if carved is None else carved.field
    points, faces = field.extract_mesh()
    colors, visible = color_vertices(points, faces, views.images, views.cameras)
    deepened = None
    if carved is not None and floor is not None and arc >= CLOSED_ARC:
        deepened = deepen_hollows(points, faces, visible, field, hull, floor)
    if deepened is not None:
        field = deepened
        points, faces = field.extract_mesh()
        colors, visible = color_vertices(points, faces, views.images, views.cameras)
    flattened = False
    if floor is not None and carve:
        points, flattened = flatten_undersides(points, faces, visible, field, floor)
    return ColoredSurface(
        points=points,
        faces=faces,
        colors=colors,
        visible=visible,
        carved_gain_db=None if carved is None else carved.gain_db,
        hollow_guessed=deepened is not None,
        underside_guessed=flattened,
    )
