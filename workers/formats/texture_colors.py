"""The colours of a texture as those of vertices, for formats that have no place for textures."""

import io
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.formats.color import linear_to_srgb, srgb_to_linear
from workers.geometry.image_sampling import sample_bilinear
from workers.geometry.meshes import Mesh, TextureMaterial

Array = NDArray[np.float64]


def paint_vertices(mesh: Mesh) -> Mesh:
    """A mesh with its textures as colours of its vertices; as it is without textures.

    A vertex takes the colour of the texture around it, from half as far as to its neighbours, times the
    material's factor and its own colour, in linear light. Vertices of faces without a texture keep theirs,
    and are white where they have none. Where faces of several materials meet, the last material counts.
    """
    texturing = mesh.texturing
    if texturing is None:
        return mesh
    own = np.full(mesh.vertices.shape, 255, np.uint8) if mesh.colors is None else mesh.colors
    colors = own.copy()
    for number, material in enumerate(texturing.materials):
        faces = mesh.faces[texturing.face_materials == number]
        used = np.unique(faces)
        if used.size:
            texture = _sample(material, texturing.uvs[used], _measure_spacing(texturing.uvs[faces]))
            linear = srgb_to_linear(texture / 255) * material.factor[:3] * srgb_to_linear(own[used])
            colors[used] = linear_to_srgb(linear)
    return replace(mesh, colors=colors, texturing=None)


def _measure_spacing(corners: Array) -> float:
    """The median length of the edges of triangles (F, 3, 2), as a share of the image."""
    return float(np.median(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)))


def _sample(material: TextureMaterial, uvs: Array, spacing: float) -> Array:
    """sRGB (N, 3) in [0, 255] at `uvs` (N, 2), averaged over half of the distance between them."""
    with Image.open(io.BytesIO(material.image)) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    step = max(1.0, spacing * max(width, height) / 2)
    size = max(1, round(width / step)), max(1, round(height / step))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], 3)
    return sample_bilinear(small, uvs * size, material.wrap)
