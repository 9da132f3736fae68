"""A triangle mesh with optional vertex colours, and its normals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Mesh:
    """Vertices (V, 3) float64 and faces (F, 3) int64, counter-clockwise seen from outside.

    `colors` are sRGB uint8 (V, 3), or None where unknown.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8] | None = None


def face_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Normals (F, 3) with a length of twice the triangle's area; zero for degenerate triangles."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return np.asarray(np.cross(b - a, c - a), dtype=np.float64)


def vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Unit normals (V, 3), area-weighted over the faces around each vertex; +y where there is none."""
    weighted = face_normals(vertices, faces)
    sums = np.empty_like(vertices, dtype=np.float64)
    corners = faces.reshape(-1)
    for axis in range(3):
        sums[:, axis] = np.bincount(corners, np.repeat(weighted[:, axis], 3), minlength=len(vertices))
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(length > 1e-20, sums / np.maximum(length, 1e-20), np.array([0.0, 1.0, 0.0]))
