"""Cameras with a pose in the world, and geometry of several of them around one object."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.geometry.cameras import Camera
from workers.geometry.poses import Similarity

Array = NDArray[np.float64]
# Cameras with no gap wider than this, in degrees, count as going all the way round; chosen, not measured.
CLOSED_GAP = 45.0
CLOSED_LEAST_VIEWS = 8
# How much the x axes must spread, as ratios of the eigenvalues of their scatter matrix and absolutely, before
# the world's up is derived from them; not tuned.
MIN_SPREAD_RATIO = 0.15
MIN_SPREAD = 1e-3


@dataclass(frozen=True, slots=True)
class PosedCamera:
    """Intrinsics, and the rigid pose that maps world to camera coordinates (scale 1, OpenCV axes)."""

    camera: Camera
    cam_from_world: Similarity

    def project(self, points: Array) -> tuple[Array, Array]:
        """World points (..., 3) to pixels (..., 2) and z-depths (...)."""
        in_camera = self.cam_from_world.apply(points)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.camera.project(in_camera), in_camera[..., 2]

    def centre(self) -> Array:
        """The camera's centre in the world (3,)."""
        return np.asarray(self.cam_from_world.inverse().translation, dtype=np.float64)

    def ray(self, pixel: Array) -> Array:
        """The unit direction (3,) in the world of the ray through a pixel (2,)."""
        local = self.camera.unproject(pixel, np.asarray(1.0))
        direction = self.cam_from_world.rotation_matrix().T @ local
        return np.asarray(direction / np.linalg.norm(direction), dtype=np.float64)


def intersect_lines(origins: Array, directions: Array) -> Array:
    """The point (3,) nearest by least squares to lines with `origins` and unit `directions` (N, 3)."""
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    total = across.sum(axis=0) + 1e-9 * np.eye(3)
    return np.asarray(np.linalg.solve(total, (across @ origins[..., None]).sum(axis=0)[:, 0]))


def estimate_up(views: Sequence[PosedCamera]) -> Array:
    """The unit direction (3,) in the world that is up if the cameras were held level.

    The x axes of level cameras are horizontal, so up is the direction most nearly perpendicular to all of
    them. When they are too nearly parallel to define one, it is the mean of the cameras' own up.
    """
    rotations = np.stack([view.cam_from_world.rotation_matrix() for view in views])
    own = -rotations[:, 1].mean(axis=0)
    own /= max(float(np.linalg.norm(own)), 1e-12)
    values, axes = np.linalg.eigh(rotations[:, 0].T @ rotations[:, 0] / len(views))
    has_spread = values[1] > MIN_SPREAD_RATIO * values[2] or values[1] > MIN_SPREAD
    up = axes[:, 0] if has_spread else own
    return np.asarray(up if up @ own >= 0 else -up, dtype=np.float64)


def measure_arc(centres: Array, target: Array, up: Array) -> float:
    """The arc in degrees, at most 360, that camera centres (N, 3) span about `up` around a target (3,)."""
    offsets = centres - target
    horizontal = offsets - (offsets @ up)[:, None] * up
    first = horizontal[0] / max(float(np.linalg.norm(horizontal[0])), 1e-12)
    second = np.cross(up, first)
    angles = np.sort(np.degrees(np.arctan2(horizontal @ second, horizontal @ first)) % 360)
    gaps = np.diff(np.append(angles, angles[0] + 360))
    widest = float(gaps.max())
    is_closed = widest <= CLOSED_GAP and len(angles) >= CLOSED_LEAST_VIEWS
    return 360.0 if is_closed else 360.0 - widest
