"""Cameras that know where they stand, and what several of them say about what they look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.geometry.cameras import Camera
from workers.geometry.poses import Similarity

Array = NDArray[np.float64]
CLOSED_GAP = 45.0
WORLD_UP_LEAST = 0.15


@dataclass(frozen=True, slots=True)
class PosedCamera:
    """Intrinsics and the rigid motion from world to camera (scale 1, OpenCV axes)."""

    camera: Camera
    cam_from_world: Similarity

    def project(self, points: Array) -> tuple[Array, Array]:
        """World points (..., 3) to pixels (..., 2) and z-depths (...)."""
        placed = self.cam_from_world.apply(points)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.camera.project(placed), placed[..., 2]

    def centre(self) -> Array:
        """Where the camera stands in the world, (3,)."""
        return np.asarray(self.cam_from_world.inverse().translation, dtype=np.float64)

    def ray(self, pixel: Array) -> Array:
        """Unit direction (3,) in the world through a pixel (2,)."""
        local = self.camera.unproject(pixel, np.asarray(1.0))
        turned = self.cam_from_world.rotation_matrix().T @ local
        return np.asarray(turned / np.linalg.norm(turned), dtype=np.float64)


def nearest_point(origins: Array, directions: Array) -> Array:
    """The point (3,) with the least sum of squared distances to lines (N, 3), unit directions (N, 3)."""
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    total = across.sum(axis=0) + 1e-9 * np.eye(3)
    return np.asarray(np.linalg.solve(total, (across @ origins[..., None]).sum(axis=0)[:, 0]))


def upward(views: Sequence[PosedCamera]) -> Array:
    """The unit world direction (3,) that is up for cameras held level.

    Level cameras have horizontal x axes, so up is what is most nearly perpendicular to all of them; where
    they turn too little to tell, it is the mean of the cameras' own up.
    """
    turns = np.stack([view.cam_from_world.rotation_matrix() for view in views])
    own = -turns[:, 1].mean(axis=0)
    own /= max(float(np.linalg.norm(own)), 1e-12)
    values, axes = np.linalg.eigh(turns[:, 0].T @ turns[:, 0] / len(views))
    up = axes[:, 0] if values[1] > WORLD_UP_LEAST * values[2] or values[1] > 1e-3 else own
    return np.asarray(up if up @ own >= 0 else -up, dtype=np.float64)


def arc_degrees(centres: Array, target: Array, up: Array) -> float:
    """The angle about `up` through which camera centres (N, 3) go round a target: up to 360."""
    away = centres - target
    flat = away - (away @ up)[:, None] * up
    first = flat[0] / max(float(np.linalg.norm(flat[0])), 1e-12)
    second = np.cross(up, first)
    angles = np.sort(np.degrees(np.arctan2(flat @ second, flat @ first)) % 360)
    gaps = np.diff(np.append(angles, angles[0] + 360))
    widest = float(gaps.max())
    return 360.0 if widest <= CLOSED_GAP and len(angles) >= 8 else 360.0 - widest
