"""A triangle mesh with optional vertex colours and textures, and its normals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Wrap = Literal["repeat", "clamp", "mirror"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextureMaterial:
    """A texture of base colour: the bytes of its PNG or JPEG file, which are passed on unchanged.

    `factor` (linear RGBA in [0, 1]) multiplies the texture; `wrap` says what lies beyond it in u and in v.
    """

    image: bytes
    media_type: Literal["image/png", "image/jpeg"]
    factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = "OPAQUE"
    double_sided: bool = False
    metallic: float = 0.0
    roughness: float = 1.0


@dataclass(frozen=True, slots=True)
class Texturing:
    """The textures of a mesh of V vertices and F faces.

    `uvs` (V, 2) have their origin at the top left of the image. `face_materials` (F,) index `materials`, and
    are -1 for faces without a texture.
    """

    uvs: NDArray[np.float64]
    face_materials: NDArray[np.int64]
    materials: tuple[TextureMaterial, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PhotoTexture:
    """The colours of a mesh at the resolution of the photo it was made from.

    `pixels` are sRGB uint8 (h, w, 3); `uvs` (V, 2) of the vertices have their origin at the top left.
    """

    pixels: NDArray[np.uint8]
    uvs: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Vertices (V, 3) float64 and faces (F, 3) int64, counter-clockwise seen from outside.

    `colors` are sRGB uint8 (V, 3), or None where unknown; where there are textures, they multiply them.
    `normals` (V, 3) are unit where a file states them, and None where they follow from the faces.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8] | None = None
    texturing: Texturing | None = None
    normals: NDArray[np.float64] | None = None


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


def is_closed(faces: NDArray[np.int64]) -> bool:
    """Whether every edge of the faces (F, 3) is also one of a neighbour, in the opposite direction."""
    start, end = faces.reshape(-1), faces[:, [1, 2, 0]].reshape(-1)
    count = int(faces.max(initial=0)) + 1
    return bool(np.array_equal(np.sort(start * count + end), np.sort(end * count + start)))
