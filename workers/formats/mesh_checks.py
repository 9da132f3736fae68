"""What every reader of meshes checks."""

import numpy as np
from numpy.typing import NDArray

from workers.formats.limits import MAX_MESH_BYTES
from workers.geometry.meshes import Mesh, Texturing


class MeshError(ValueError):
    """The bytes are not a mesh that can be read; the message says why."""


class MeshTooLarge(MeshError):
    """The mesh is larger than is supported, or than its file explains."""


def check_file_size(data: bytes) -> None:
    """Raise MeshTooLarge for a file that is too large."""
    if len(data) > MAX_MESH_BYTES:
        raise MeshTooLarge(f"{len(data)} bytes; at most {MAX_MESH_BYTES} are supported")


def build_mesh(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    colors: NDArray[np.uint8] | None,
    texturing: Texturing | None = None,
    normals: NDArray[np.float64] | None = None,
) -> Mesh:
    """A mesh of checked arrays; raises MeshError for no faces, and for missing or infinite vertices."""
    if not len(faces):
        raise MeshError("a mesh needs faces")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise MeshError("faces use vertices that do not exist")
    if not np.isfinite(vertices).all():
        raise MeshError("vertices are not finite")
    return Mesh(vertices, faces, colors, texturing, normals)


def split_polygons(counts: NDArray[np.int64], corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Triangles (F, 3) of polygons, each a fan about its first corner.

    `counts` (P,) are the corners of each polygon, at least three; `corners` lists those of all of them.
    """
    starts = np.cumsum(counts) - counts
    triangles = counts - 2
    polygon = np.repeat(np.arange(len(counts)), triangles)
    step = np.arange(len(polygon)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    first = starts[polygon]
    return np.column_stack([corners[first], corners[first + step + 1], corners[first + step + 2]])
