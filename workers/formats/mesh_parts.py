"""Divides a mesh by its textures, for formats that bind one material to one list of faces."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.geometry.meshes import Mesh, TextureMaterial, vertex_normals


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshPart:
    """The faces (F, 3) of one texture, or those without one, over the vertices (V, 3) that they use.

    `normals` (V, 3) are those of the complete mesh; `uvs` (V, 2) have their origin at the top left.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    normals: NDArray[np.float64]
    colors: NDArray[np.uint8] | None
    uvs: NDArray[np.float64] | None = None
    material: TextureMaterial | None = None


def split_by_material(mesh: Mesh) -> Iterator[MeshPart]:
    """The parts of a mesh in the order of its materials, faces without a texture first.

    A mesh without textures is one part, with all of its vertices.
    """
    normals = vertex_normals(mesh.vertices, mesh.faces) if mesh.normals is None else mesh.normals
    if mesh.texturing is None:
        yield MeshPart(vertices=mesh.vertices, faces=mesh.faces, normals=normals, colors=mesh.colors)
        return
    texturing = mesh.texturing
    for number in np.unique(texturing.face_materials):
        rows, faces = np.unique(mesh.faces[texturing.face_materials == number], return_inverse=True)
        yield MeshPart(
            vertices=mesh.vertices[rows],
            faces=faces.reshape(-1, 3),
            normals=normals[rows],
            colors=None if mesh.colors is None else mesh.colors[rows],
            uvs=None if number < 0 else texturing.uvs[rows],
            material=None if number < 0 else texturing.materials[number],
        )


def is_plain(part: MeshPart) -> bool:
    """Whether all vertices of a part have one colour, or none."""
    return part.colors is None or bool((part.colors == part.colors[0]).all())
