"""Gaussians to the screen and gradients back, in NumPy: the part that costs little."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.rasterisers.protocol import ALPHA_FLOOR, LOW_PASS, NEAR, REACH, Gaussians
from workers.geometry.posed import PosedCamera

Real = NDArray[np.float64]
GUARD = 1.3


@dataclass(frozen=True, slots=True)
class Screen:
    """Gaussians as a camera sees them, nearest first: `order` (M,) are their places among those given.

    Pixel centres (M, 2), inverse covariances (M, 3) as xx, xy, yy, radii in pixels (M,), and what the
    gradients need: camera-frame means (M, 3), rotations (M, 3, 3), half covariances' factors.
    """

    order: NDArray[np.int64]
    centres: Real
    conics: Real
    radii: Real
    placed: Real
    turns: Real
    jacobians: Real
    covariances: Real


def project(gaussians: Gaussians, view: PosedCamera) -> Screen:
    """Project all Gaussians in front of the camera whose footprint reaches the picture."""
    camera = view.camera
    world = view.cam_from_world.rotation_matrix()
    placed = view.cam_from_world.apply(gaussians.means.astype(np.float64))
    kept = np.flatnonzero(placed[:, 2] > NEAR)
    placed = placed[kept]
    turns = rotations(gaussians.rotations[kept].astype(np.float64))
    jacobians = _jacobians(placed, view)
    flat = jacobians @ world @ turns * gaussians.scales[kept].astype(np.float64)[:, None, :]
    full = flat @ flat.transpose(0, 2, 1)
    covariances = np.stack([full[:, 0, 0] + LOW_PASS, full[:, 0, 1], full[:, 1, 1] + LOW_PASS], axis=1)
    a, b, c = covariances.T
    determinant = a * c - b * b
    conics = np.stack([c, -b, a], axis=1) / determinant[:, None]
    widest = (a + c) / 2 + np.sqrt(np.maximum(((a - c) / 2) ** 2 + b * b, 0))
    opacities = gaussians.opacities[kept].astype(np.float64)
    reach = np.sqrt(2 * np.log(np.maximum(opacities / ALPHA_FLOOR, 1.0)))
    radii = np.ceil(np.minimum(reach, REACH) * np.sqrt(widest))
    centres = camera.project(placed)
    low, high = centres - radii[:, None], centres + radii[:, None]
    seen = (radii > 0) & (high > 0).all(axis=1) & (low < [camera.width, camera.height]).all(axis=1)
    inside = np.flatnonzero(seen)
    inside = inside[np.argsort(placed[inside, 2], kind="stable")]
    return Screen(
        kept[inside],
        centres[inside],
        conics[inside],
        radii[inside],
        placed[inside],
        turns[inside],
        jacobians[inside],
        covariances[inside],
    )


def rotations(quaternions: Real) -> Real:
    """Rotation matrices (N, 3, 3) of quaternions wxyz (N, 4) of any length."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


def _limits(view: PosedCamera) -> tuple[float, float]:
    camera = view.camera
    return GUARD * camera.width / (2 * camera.fx), GUARD * camera.height / (2 * camera.fy)


def _jacobians(placed: Real, view: PosedCamera) -> Real:
    """Of the projection at camera-frame means (N, 3): (N, 2, 3); far outside the picture it stays bounded."""
    camera, (wide, high) = view.camera, _limits(view)
    z = placed[:, 2]
    x, y = np.clip(placed[:, 0] / z, -wide, wide), np.clip(placed[:, 1] / z, -high, high)
    out = np.zeros((len(placed), 2, 3))
    out[:, 0, 0], out[:, 1, 1] = camera.fx / z, camera.fy / z
    out[:, 0, 2], out[:, 1, 2] = -camera.fx * x / z, -camera.fy * y / z
    return out


def pull_back(
    gaussians: Gaussians, view: PosedCamera, screen: Screen, centres: Real, conics: Real
) -> tuple[Real, Real, Real]:
    """Gradients by means (M, 3), quaternions (M, 4) and scales (M, 3) from those by centres and conics.

    `conics` (M, 3) holds gradients by xx, xy (counted once) and yy of the inverse covariance.
    """
    camera, (wide, high) = view.camera, _limits(view)
    world = view.cam_from_world.rotation_matrix()
    inverse = np.empty((len(conics), 2, 2))
    inverse[:, 0, 0], inverse[:, 1, 1] = screen.conics[:, 0], screen.conics[:, 2]
    inverse[:, 0, 1] = inverse[:, 1, 0] = screen.conics[:, 1]
    by_inverse = np.empty_like(inverse)
    by_inverse[:, 0, 0], by_inverse[:, 1, 1] = conics[:, 0], conics[:, 2]
    by_inverse[:, 0, 1] = by_inverse[:, 1, 0] = conics[:, 1] / 2
    by_covariance = -inverse @ by_inverse @ inverse
    scales = gaussians.scales[screen.order].astype(np.float64)
    turned = screen.jacobians @ world @ screen.turns
    flat = turned * scales[:, None, :]
    by_flat = 2 * by_covariance @ flat
    by_scales = (by_flat * turned).sum(axis=1)
    by_turned = by_flat * scales[:, None, :]
    by_turns = (screen.jacobians @ world).transpose(0, 2, 1) @ by_turned
    by_jacobians = by_turned @ (world @ screen.turns).transpose(0, 2, 1)
    x, y, z = screen.placed.T
    by_placed = np.empty_like(screen.placed)
    by_placed[:, 0] = centres[:, 0] * camera.fx / z
    by_placed[:, 1] = centres[:, 1] * camera.fy / z
    by_placed[:, 2] = -(centres[:, 0] * camera.fx * x + centres[:, 1] * camera.fy * y) / z**2
    by_placed[:, 2] -= (by_jacobians[:, 0, 0] * camera.fx + by_jacobians[:, 1, 1] * camera.fy) / z**2
    for axis, focal, slope, limit in ((0, camera.fx, x / z, wide), (1, camera.fy, y / z, high)):
        # beyond the limit the slope is held, so that only z moves the entry
        held = np.abs(slope) >= limit
        by = by_jacobians[:, axis, 2]
        by_placed[:, axis] -= np.where(held, 0.0, by * focal / z**2)
        by_placed[:, 2] += np.where(
            held, by * focal * np.clip(slope, -limit, limit) / z**2, 2 * by * focal * slope / z**2
        )
    return by_placed @ world, _by_quaternions(gaussians.rotations[screen.order], by_turns), by_scales


def _by_quaternions(quaternions: NDArray[np.float32], by: Real) -> Real:
    """Gradients by quaternions (M, 4) of any length from those by rotation matrices (M, 3, 3)."""
    norms = np.linalg.norm(quaternions.astype(np.float64), axis=1, keepdims=True)
    unit = quaternions / norms
    w, x, y, z = unit.T
    out = np.stack(
        [
            2 * (x * (by[:, 2, 1] - by[:, 1, 2]) + y * (by[:, 0, 2] - by[:, 2, 0])
                 + z * (by[:, 1, 0] - by[:, 0, 1])),
            2 * (y * (by[:, 0, 1] + by[:, 1, 0]) + z * (by[:, 0, 2] + by[:, 2, 0])
                 + w * (by[:, 2, 1] - by[:, 1, 2]) - 2 * x * (by[:, 1, 1] + by[:, 2, 2])),
            2 * (x * (by[:, 0, 1] + by[:, 1, 0]) + z * (by[:, 1, 2] + by[:, 2, 1])
                 + w * (by[:, 0, 2] - by[:, 2, 0]) - 2 * y * (by[:, 0, 0] + by[:, 2, 2])),
            2 * (x * (by[:, 0, 2] + by[:, 2, 0]) + y * (by[:, 1, 2] + by[:, 2, 1])
                 + w * (by[:, 1, 0] - by[:, 0, 1]) - 2 * z * (by[:, 0, 0] + by[:, 1, 1])),
        ],
        axis=1,
    )  # fmt: skip
    return np.asarray((out - (out * unit).sum(axis=1, keepdims=True) * unit) / norms)
