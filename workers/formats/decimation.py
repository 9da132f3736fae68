"""Reducing the number of a mesh's faces."""

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from workers.geometry.meshes import Mesh


def decimate(mesh: Mesh, max_faces: int) -> Mesh:
    """The mesh, or a version of at most `max_faces` faces; vertices take the colour of the nearest original.

    Quadric error metrics (Garland and Heckbert 1997).
    """
    if len(mesh.faces) <= max_faces:
        return mesh
    original = trimesh.Trimesh(vertices=mesh.vertices, faces=mesh.faces, process=False)
    reduced = original.simplify_quadric_decimation(face_count=max_faces)
    vertices = np.asarray(reduced.vertices, dtype=np.float64)
    return Mesh(vertices, np.asarray(reduced.faces, dtype=np.int64), _nearest_colors(mesh, vertices))


def _nearest_colors(mesh: Mesh, vertices: NDArray[np.float64]) -> NDArray[np.uint8] | None:
    if mesh.colors is None:
        return None
    nearest = cKDTree(mesh.vertices).query(vertices)[1]
    return np.asarray(mesh.colors[nearest], dtype=np.uint8)
