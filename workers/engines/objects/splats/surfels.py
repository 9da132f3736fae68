"""Flat Gaussians on a mesh: spread evenly by area, turned with the surface, thin along its normal."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh, face_normals, vertex_normals

OVERLAP = 0.75
THIN = 0.1
OPACITY = 0.97


@dataclass(frozen=True, slots=True)
class Samples:
    """Points on a mesh: `faces` (N,) and barycentric `weights` (N, 3), sorted by face."""

    faces: NDArray[np.int64]
    weights: NDArray[np.float64]
    spacing: float

    def interpolate(self, values: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
        """Per-vertex values (V, C) at the samples, for the mesh's faces (F, 3)."""
        return np.asarray((values[faces[self.faces]] * self.weights[..., None]).sum(axis=1), dtype=np.float64)


def sample_surface(vertices: NDArray[np.float64], faces: NDArray[np.int64], count: int, seed: int) -> Samples:
    """`count` points spread over a mesh in proportion to area; the seed places them within their strata.

    `spacing` is the side of the square of surface each point stands for, in the mesh's unit.
    """
    rng = np.random.default_rng(seed)
    area = 0.5 * np.linalg.norm(face_normals(vertices, faces), axis=1)
    ends = np.cumsum(area)
    at = (np.arange(count) + rng.random(count)) * (ends[-1] / count)
    chosen = np.minimum(np.searchsorted(ends, at, side="right"), len(faces) - 1)
    # Uniform in a triangle: Osada et al. 2002, section 3.1.
    root, turn = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - turn), root * turn], axis=1)
    return Samples(chosen, weights, float(np.sqrt(ends[-1] / count)))


def rotations_to_normals(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternions wxyz (N, 4) that turn +z onto unit normals (N, 3) by the shortest way."""
    x, y, z = normals.T
    w = 1 + z
    out = np.stack([w, -y, x, np.zeros_like(w)], axis=1)
    out[w < 1e-9] = (0, 1, 0, 0)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float64)


def surfel_scales(samples: Samples) -> NDArray[np.float64]:
    """Standard deviations (N, 3): `OVERLAP` spacings in the surface, thin along the normal (local z)."""
    wide = OVERLAP * samples.spacing
    return np.tile([wide, wide, THIN * wide], (len(samples.faces), 1))


def splat_of(mesh: Mesh, samples: Samples, colors: NDArray[np.float64] | NDArray[np.uint8]) -> Gaussians:
    """Flat Gaussians at samples of a mesh, in its frame; `colors` (N, 3) in 0 to 255."""
    normals = samples.interpolate(vertex_normals(mesh.vertices, mesh.faces), mesh.faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Gaussians(
        means=samples.interpolate(mesh.vertices, mesh.faces).astype(np.float32),
        rotations=rotations_to_normals(normals).astype(np.float32),
        scales=surfel_scales(samples).astype(np.float32),
        opacities=np.full(len(samples.faces), OPACITY, dtype=np.float32),
        colors=(colors / 255.0).astype(np.float32),
    )
