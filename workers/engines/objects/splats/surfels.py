"""Surfels: flat Gaussians spread evenly over a mesh, turned with the surface and thin along its normal."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh, face_normals, vertex_normals

# Standard deviation in the surface, in spacings of the samples: neighbours overlap without a gap. Not tuned.
OVERLAP = 0.75
# Standard deviation along the normal, as a share of that in the surface. Not tuned.
THINNESS = 0.1
# Nearly opaque, yet with a finite logit. Not tuned.
OPACITY = 0.97


@dataclass(frozen=True, slots=True)
class SurfaceSamples:
    """Points on a mesh: `faces` (N,) and barycentric `weights` (N, 3), sorted by face.

    `spacing` is the side of the square of surface that each point stands for, in the mesh's unit.
    """

    faces: NDArray[np.int64]
    weights: NDArray[np.float64]
    spacing: float

    def select(self, rows: NDArray[np.bool_]) -> "SurfaceSamples":
        """Some of the points (N,); each stands for as much surface as before."""
        return SurfaceSamples(self.faces[rows], self.weights[rows], self.spacing)

    def interpolate(self, values: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
        """Per-vertex values (V, C) at the samples, for the mesh's faces (F, 3)."""
        return np.asarray((values[faces[self.faces]] * self.weights[..., None]).sum(axis=1), dtype=np.float64)


def sample_surface(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], count: int, seed: int
) -> SurfaceSamples:
    """`count` points spread over a mesh in proportion to area; the seed places them within their strata."""
    rng = np.random.default_rng(seed)
    area = 0.5 * np.linalg.norm(face_normals(vertices, faces), axis=1)
    cumulative = np.cumsum(area)
    strata = (np.arange(count) + rng.random(count)) * (cumulative[-1] / count)
    chosen = np.minimum(np.searchsorted(cumulative, strata, side="right"), len(faces) - 1)
    # Uniform in a triangle: Osada et al. 2002, section 3.1.
    root, share = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - share), root * share], axis=1)
    return SurfaceSamples(chosen, weights, float(np.sqrt(cumulative[-1] / count)))


def build_surfels(
    mesh: Mesh, samples: SurfaceSamples, colors: NDArray[np.float64] | NDArray[np.uint8]
) -> Gaussians:
    """Flat Gaussians at samples of a mesh, in its frame; `colors` (N, 3) are sRGB from 0 to 255."""
    normals = samples.interpolate(vertex_normals(mesh.vertices, mesh.faces), mesh.faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    width = OVERLAP * samples.spacing
    scales = np.tile([width, width, THINNESS * width], (len(samples.faces), 1))
    return Gaussians(
        means=samples.interpolate(mesh.vertices, mesh.faces).astype(np.float32),
        rotations=_align_z_with(normals).astype(np.float32),
        scales=scales.astype(np.float32),
        opacities=np.full(len(samples.faces), OPACITY, dtype=np.float32),
        colors=(colors / 255.0).astype(np.float32),
    )


def build_vertex_colored_surfels(mesh: Mesh, count: int, seed: int) -> Gaussians:
    """`count` surfels on a mesh with vertex colours, which are interpolated."""
    assert mesh.colors is not None
    samples = sample_surface(mesh.vertices, mesh.faces, count, seed)
    return build_surfels(mesh, samples, samples.interpolate(mesh.colors.astype(np.float64), mesh.faces))


def _align_z_with(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternions wxyz (N, 4) that turn +z to unit normals (N, 3) by the smallest angle."""
    x, y, z = normals.T
    w = 1 + z
    out = np.stack([w, -y, x, np.zeros_like(w)], axis=1)
    out[w < 1e-9] = (0, 1, 0, 0)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float64)
