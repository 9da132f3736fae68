"""Splats for tests of formats, and what makes two of them the same."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.geometry.gaussians import Gaussians


def random_splat(count: int = 500, seed: int = 0, side: float = 1.0) -> Gaussians:
    """Gaussians of all turns within a cube about the origin, `side` long."""
    rng = np.random.default_rng(seed)
    rotations = rng.normal(size=(count, 4))
    rotations /= np.linalg.norm(rotations, axis=1, keepdims=True)
    return Gaussians(
        means=(side * rng.uniform(-0.5, 0.5, (count, 3))).astype(np.float32),
        rotations=rotations.astype(np.float32),
        scales=(side * np.exp(rng.uniform(-7, -2, (count, 3)))).astype(np.float32),
        opacities=rng.uniform(0.02, 0.98, count).astype(np.float32),
        colors=rng.random((count, 3)).astype(np.float32),
    )


def make_signpost() -> Gaussians:
    """A red Gaussian on +x, a green one on +y, a blue one on +z, each long along another slanted axis."""
    turns = Rotation.from_euler("xyz", [[20, 40, 10], [-30, 15, 60], [70, -25, 35]], degrees=True)
    x, y, z, w = turns.as_quat().T
    return Gaussians(
        means=np.diag([0.5, 0.4, 0.3]).astype(np.float32),
        rotations=np.stack([w, x, y, z], axis=1).astype(np.float32),
        scales=np.array([[0.2, 0.05, 0.02], [0.03, 0.1, 0.06], [0.04, 0.02, 0.15]], dtype=np.float32),
        opacities=np.array([0.9, 0.6, 0.3], dtype=np.float32),
        colors=np.array([[0.9, 0.1, 0.2], [0.15, 0.8, 0.1], [0.1, 0.2, 0.7]], dtype=np.float32),
    )


def sort_by_color(splat: Gaussians) -> Gaussians:
    """A signpost's Gaussians as red, green, blue, however a file orders them."""
    order = np.array([int(np.argmax(splat.colors[:, channel])) for channel in range(3)])
    return splat.select(order)


def compute_covariances(splat: Gaussians) -> NDArray[np.float64]:
    """(N, 3, 3): what scales and quaternions mean together."""
    w, x, y, z = splat.rotations.astype(np.float64).T
    half = Rotation.from_quat(np.stack([x, y, z, w], axis=1)).as_matrix() * splat.scales[:, None, :]
    return np.asarray(half @ half.transpose(0, 2, 1))


def flip_axes(
    splat: Gaussians, axes: tuple[int, int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and covariances with the signs of the axes changed, worked out without the code under test."""
    signs = np.array(axes, dtype=np.float64)
    return splat.means * signs, compute_covariances(splat) * signs[:, None] * signs[None, :]


def largest_rotation(a: Gaussians, b: Gaussians) -> float:
    """The largest angle between the turns of two splats."""

    def rotation(splat: Gaussians) -> Rotation:
        return Rotation.from_quat(splat.rotations[:, [1, 2, 3, 0]].astype(np.float64))

    return float(np.degrees((rotation(a).inv() * rotation(b)).magnitude()).max())
