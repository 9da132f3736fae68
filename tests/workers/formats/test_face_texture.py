"""Vertex colours as a texture, sampled as a viewer samples it."""

import io

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from workers.formats.color import linear_to_srgb, srgb_to_linear
from workers.formats.convert import load_asset, write_asset
from workers.formats.face_texture import paint_faces
from workers.formats.mesh_parts import MeshPart, split_by_material
from workers.formats.mesh_writers import write_mesh_ply
from workers.geometry.meshes import Mesh

BALL = trimesh.creation.icosphere(2)
# Neighbouring vertices differ by less than the range, as on real surfaces.
SMOOTH = np.rint(127.5 + 120 * BALL.vertices).astype(np.uint8)
MESH = Mesh(np.asarray(BALL.vertices), np.asarray(BALL.faces), SMOOTH)


def sample(part: MeshPart, weights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The colours at a point of each face, filtered bilinearly in linear light."""
    assert part.material is not None and part.uvs is not None
    pixels = srgb_to_linear(np.asarray(Image.open(io.BytesIO(part.material.image)).convert("RGB")))
    uv = np.einsum("fkc,k->fc", part.uvs[part.faces], weights) * [pixels.shape[1], pixels.shape[0]] - 0.5
    bands = [map_coordinates(pixels[..., k], uv[:, ::-1].T, order=1, mode="nearest") for k in range(3)]
    return linear_to_srgb(np.column_stack(bands))


@pytest.mark.parametrize(
    "weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1 / 3, 1 / 3, 1 / 3), (0, 0.5, 0.5), (0.1, 0.3, 0.6)]
)
def test_the_texture_interpolates_as_vertices_do(weights: tuple[float, float, float]) -> None:
    [part] = split_by_material(MESH)
    painted = paint_faces(part)
    np.testing.assert_allclose(painted.vertices[painted.faces], MESH.vertices[MESH.faces])
    expected = np.einsum("fkc,k->fc", srgb_to_linear(SMOOTH)[MESH.faces], np.array(weights))
    difference = sample(painted, np.array(weights)).astype(int) - linear_to_srgb(expected)
    assert np.abs(difference).max() <= 2


def test_usdz_of_a_coloured_mesh_has_a_texture() -> None:
    pytest.importorskip("pxr", reason="the extra 'usd' is not installed")
    converted = write_asset(load_asset(write_mesh_ply(MESH)), "usdz")
    assert not +converted.losses and b"texture.png" in converted.data
