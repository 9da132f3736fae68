"""Where upstream's people stand: its principal point, its pixels, and the translation that the camera needs.

Upstream predicts a person relative to the box and derives the translation with one focal length (fx) and a
principal point that is the image's centre unless its config says USE_INTRIN_CENTER. In mode "full" it then
projects about the image's centre whatever the camera says; in "body" with the camera's matrix. So its own
pixels are right only when both agree. What the network saw is what (focal, its centre) project; a camera that
differs gets the translation that puts the points there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.geometry.cameras import Camera

Floats = NDArray[np.float64]
# Closer than this, pixels and shares of the focal length are the same.
SAME_PIXELS, SAME_FOCAL = 1e-3, 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PersonPlacement:
    """`pixels` (K, 2): what the network saw; `translation` (3,), corrected if `moved`."""

    pixels: Floats
    translation: Floats
    moved: bool


def find_principal_point(camera: Camera, uses_camera: bool) -> tuple[float, float]:
    """The principal point of upstream's translation, in pixels."""
    return (camera.cx, camera.cy) if uses_camera else (camera.width / 2, camera.height / 2)


def project(points: Floats, focal: float, centre: tuple[float, float]) -> Floats:
    """Points (K, 3) in the camera frame to pixels (K, 2), one focal length for both axes."""
    return np.asarray(focal * points[:, :2] / points[:, 2:] + np.asarray(centre), dtype=np.float64)


def place(points: Floats, translation: Floats, camera: Camera, uses_camera: bool) -> PersonPlacement:
    """Place a person of points (K, 3) about its origin, which upstream put at `translation` (3,)."""
    centre = find_principal_point(camera, uses_camera)
    pixels = project(points + translation, camera.fx, centre)
    offset = max(abs(centre[0] - camera.cx), abs(centre[1] - camera.cy))
    if offset <= SAME_PIXELS and abs(camera.fy - camera.fx) <= SAME_FOCAL * camera.fx:
        return PersonPlacement(pixels, translation, False)
    return PersonPlacement(pixels, solve_translation(points, pixels, camera), True)


def solve_translation(points: Floats, pixels: Floats, camera: Camera) -> Floats:
    """The translation (3,) that best projects points (K, 3) onto pixels (K, 2), by linear least squares.

    Each pixel gives (u - cx) (z + tz) = fx (x + tx) and the like for v; all depths are near, so the algebraic
    error is the reprojection error but for one factor.
    """
    rays = (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    rows = np.zeros((len(points), 2, 3))
    rows[:, 0, 0] = rows[:, 1, 1] = 1.0
    rows[:, :, 2] = -rays
    right = rays * points[:, 2:] - points[:, :2]
    solved, *_ = np.linalg.lstsq(rows.reshape(-1, 3), right.reshape(-1), rcond=None)
    return np.asarray(solved, dtype=np.float64)


def upstream_pixels(points: Floats, translation: Floats, camera: Camera, mode: str) -> Floats:
    """The pixels (K, 2) that upstream itself reports, uncorrected: they identify its version."""
    if mode == "full":
        return project(points + translation, camera.fx, (camera.width / 2, camera.height / 2))
    return camera.project(points + translation)
