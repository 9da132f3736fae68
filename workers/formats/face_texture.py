"""Vertex colours as a texture, for viewers that show no vertex colours: one small triangle per face."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.formats.color import linear_to_srgb, srgb_to_linear
from workers.formats.images import encode_png
from workers.formats.mesh_parts import MeshPart, split_by_material
from workers.geometry.meshes import Mesh, TextureMaterial, Texturing

# Texels along each side of a face's cell. The corners of the face are the centres of the corner texels, so
# that filtering between them interpolates as between vertices, and does not reach into the next cell.
CELL = 3
# Textures beyond this are not shown by phones.
MAX_SIDE = 4096
# How much of the second corner each column of a cell has, and of the third corner each row.
STEPS = np.arange(CELL) / (CELL - 1)


def fits_texture(part: MeshPart) -> bool:
    """Whether the faces of a part fit one texture."""
    return _count_cells(part) * CELL <= MAX_SIDE


def paint_faces(part: MeshPart) -> MeshPart:
    """A part with its vertex colours as a texture instead; each face has vertices of its own.

    Colours are interpolated in linear light, as glTF interpolates those of vertices.
    """
    if part.colors is None:
        raise ValueError("a part without colours has nothing to paint")
    cells = _count_cells(part)
    number = np.arange(len(part.faces))
    rows, columns = number // cells, number % cells
    corners = srgb_to_linear(part.colors)[part.faces]
    pixels = np.zeros((cells * CELL, cells * CELL, 3), dtype=np.uint8)
    for row, down in enumerate(STEPS):
        for column, right in enumerate(STEPS):
            # texels beyond the longest side continue the slope as far as colours go
            weights = np.array([1 - down - right, right, down])
            color = linear_to_srgb(np.einsum("fkc,k->fc", corners, weights))
            pixels[rows * CELL + row, columns * CELL + column] = color
    return replace(
        part,
        vertices=part.vertices[part.faces].reshape(-1, 3),
        faces=np.arange(part.faces.size).reshape(-1, 3),
        normals=part.normals[part.faces].reshape(-1, 3),
        colors=None,
        uvs=_place_corners(rows, columns, cells),
        material=TextureMaterial(image=encode_png(pixels), media_type="image/png", wrap=("clamp", "clamp")),
    )


def paint_vertex_colors(mesh: Mesh) -> Mesh:
    """A mesh with its vertex colours as a texture; as it is without colours or where they fit none."""
    if mesh.colors is None or mesh.texturing is not None:
        return mesh
    [part] = split_by_material(mesh)
    if not fits_texture(part):
        return mesh
    painted = paint_faces(part)
    assert painted.uvs is not None and painted.material is not None
    texturing = Texturing(painted.uvs, np.zeros(len(painted.faces), dtype=np.int64), (painted.material,))
    return Mesh(painted.vertices, painted.faces, texturing=texturing, normals=painted.normals)


def _count_cells(part: MeshPart) -> int:
    """How many cells lie along each side of the texture."""
    return int(np.ceil(np.sqrt(len(part.faces))))


def _place_corners(rows: NDArray[np.int64], columns: NDArray[np.int64], cells: int) -> NDArray[np.float64]:
    """Texture coordinates (3F, 2) of the corners of each face: centres of texels of its cell."""
    first = np.column_stack([columns, rows]) * CELL + 0.5
    reach = CELL - 1
    uvs = np.stack([first, first + np.array([reach, 0]), first + np.array([0, reach])], axis=1)
    return np.asarray(uvs.reshape(-1, 2) / (cells * CELL))
