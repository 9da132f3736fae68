"""Meshes of fewer faces."""

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from workers.geometry.meshes import Mesh


def decimated(mesh: Mesh, most_faces: int) -> Mesh:
    """The mesh itself, or one of at most `most_faces` faces, coloured as the nearest vertex of the whole.

    Quadric error metrics (Garland and Heckbert, 1997).
    """
    if len(mesh.faces) <= most_faces:
        return mesh
    whole = trimesh.Trimesh(vertices=mesh.vertices, faces=mesh.faces, process=False)
    small = whole.simplify_quadric_decimation(face_count=most_faces)
    vertices = np.asarray(small.vertices, dtype=np.float64)
    return Mesh(vertices, np.asarray(small.faces, dtype=np.int64), _colors(mesh, vertices))


def _colors(mesh: Mesh, vertices: NDArray[np.float64]) -> NDArray[np.uint8] | None:
    if mesh.colors is None:
        return None
    nearest = cKDTree(mesh.vertices).query(vertices)[1]
    return np.asarray(mesh.colors[nearest], dtype=np.uint8)
