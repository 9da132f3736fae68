"""Closing a sheet into a surface in the camera frame: front and back along the rays, joined at the rim."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.triangulation import Sheet
from workers.geometry.cameras import Camera

Array = NDArray[np.float64]
# Smallest thickness, in sizes of the object, so that front and back never meet.
MIN_THICKNESS = 0.01
# Sine of the half angle of a ball's outline, above which it would reach behind the camera.
MAX_SINE = 0.6


@dataclass(frozen=True, slots=True)
class ClosedSheet:
    """A closed mesh in the camera frame; every vertex lies on the ray of its pixel.

    `vertices` (V, 3), `pixels` (V, 2), `faces` (F, 3) with the `front_faces` first; vertices below `rim` (an
    index) are the front's `inner` points, then the rim's; from `rim` on they are the back's inner points.
    """

    vertices: Array
    pixels: Array
    faces: NDArray[np.int64]
    front_faces: int
    inner: int
    rim: int


def symmetric_depths(half: Array, focal_length: float) -> tuple[Array, Array]:
    """Front and back depth (N,) as factors of the rim's depth, for half thicknesses (N,) in pixels.

    Exact for a sphere on the optical axis: with s = sin(angle of its rim) the tangent points lie at depth 1,
    the near point at 1 / (1 + s) and the far point at 1 / (1 - s).
    """
    sine = np.minimum(half / np.hypot(half, focal_length), MAX_SINE)
    return 1 / (1 + sine), 1 / (1 - sine)


def close_sheet(sheet: Sheet, camera: Camera, front: Array, back: Array, rim: Array) -> ClosedSheet:
    """Join two copies of a sheet: z-depths `front` and `back` (inner,) and `rim` (P - inner,)."""
    inner, count = sheet.inner, len(sheet.points)
    pixels = np.concatenate([sheet.points, sheet.points[:inner]])
    vertices = camera.unproject(pixels, np.concatenate([front, rim, back]))
    behind = np.where(sheet.triangles < inner, sheet.triangles + count, sheet.triangles)
    # clockwise in the image is counter-clockwise from outside with y down and z forward
    faces = np.concatenate([sheet.triangles[:, ::-1], behind])
    return ClosedSheet(vertices, pixels, faces, len(sheet.triangles), inner, count)
