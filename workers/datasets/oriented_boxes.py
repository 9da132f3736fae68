"""Oriented boxes: their record, their corners, and moves between camera, world and image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workers.geometry.poses import matrix_from_quaternion, quaternion_from_matrix

Array = NDArray[np.float64]
# corner k has x from bit 2, y from bit 1, z from bit 0: product((-, +), repeat=3)
SIGNS: Array = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
# z-depth below which a point counts as behind the camera: only keeps the division defined
NEAREST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Box3d:
    """The box of one track in one frame; the `world` fields are None without a camera pose.

    Centres are xyz and rotations wxyz from the box's axes to those of the camera or the world, `size` are
    full edge lengths. `source` is given, depth, multiview or prior, `scale_source` metric, prior or
    relative.
    """

    center_cam: tuple[float, ...]
    rotation_cam: tuple[float, ...]
    center_world: tuple[float, ...] | None
    rotation_world: tuple[float, ...] | None
    size: tuple[float, ...]
    scale_source: str
    source: str
    confidence: float
    flags: tuple[str, ...]


def compute_corners(center: ArrayLike, size: ArrayLike, rotation: ArrayLike) -> Array:
    """The corners (8, 3) of a box in the order of `SIGNS`; `rotation` is wxyz from the box's axes."""
    return SIGNS * np.asarray(size, dtype=np.float64) @ matrix_from_quaternion(rotation).T + np.asarray(
        center, dtype=np.float64
    )


def transform_box(
    center: ArrayLike, rotation: ArrayLike, transform: Array
) -> tuple[Array, tuple[float, ...]]:
    """A box's centre and rotation wxyz after a rigid 4x4 `transform`."""
    turn = transform[:3, :3]
    moved = turn @ np.asarray(center, dtype=np.float64) + transform[:3, 3]
    return moved, quaternion_from_matrix(turn @ matrix_from_quaternion(rotation))


def project(points: Array, intrinsics: Array) -> Array:
    """Camera-frame points (N, 3) to pixels (N, 2) by K (3, 3); points behind the camera give NaN."""
    z = np.where(points[:, 2] > NEAREST, points[:, 2], np.nan)
    return np.stack(
        [
            intrinsics[0, 0] * points[:, 0] / z + intrinsics[0, 2],
            intrinsics[1, 1] * points[:, 1] / z + intrinsics[1, 2],
        ],
        axis=1,
    )


def back_project(depth: NDArray[np.float32], mask: NDArray[np.bool_], intrinsics: Array) -> Array:
    """The camera-frame points (N, 3) of the masked pixels whose z-depth is finite and positive."""
    known = mask & np.isfinite(depth) & (depth > 0)
    rows, columns = np.nonzero(known)
    z = depth[rows, columns].astype(np.float64)
    x = (columns + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0] * z
    y = (rows + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1] * z
    return np.stack([x, y, z], axis=1)
