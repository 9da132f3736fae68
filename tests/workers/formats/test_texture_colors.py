"""Textures as colours of vertices, read back by trimesh."""

import io

import numpy as np
import pytest
import trimesh
from PIL import Image

from workers.formats.mesh_writers import write_mesh_ply
from workers.geometry.meshes import Mesh, TextureMaterial, Texturing, Wrap

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


def material(
    wrap: Wrap = "clamp", factor: tuple[float, float, float, float] = (1, 1, 1, 1)
) -> TextureMaterial:
    """Four squares of 8 x 8 texels: red and green above, blue and grey below."""
    pixels = np.repeat(np.repeat(np.array([[RED, GREEN], [BLUE, GREY]], np.uint8), 8, axis=0), 8, axis=1)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return TextureMaterial(image=out.getvalue(), media_type="image/png", wrap=(wrap, wrap), factor=factor)


def square(uvs: list[tuple[float, float]], *materials: TextureMaterial) -> Mesh:
    """Two triangles; each has a material of its own where two are given."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float64)
    numbers = np.array([0, len(materials) - 1])
    texturing = Texturing(np.array(uvs, np.float64), numbers, materials)
    return Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]]), texturing=texturing)


def read_colors(mesh: Mesh) -> list[tuple[int, ...]]:
    read = trimesh.load(io.BytesIO(write_mesh_ply(mesh)), file_type="ply", process=False)
    return [tuple(int(value) for value in color[:3]) for color in read.visual.vertex_colors]


CORNERS = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]


def test_vertices_take_the_texture_s_colours() -> None:
    assert read_colors(square(CORNERS, material())) == [RED, GREEN, GREY, BLUE]


@pytest.mark.parametrize(
    ("wrap", "expected"), [("repeat", [RED, GREEN, GREY, BLUE]), ("mirror", [GREEN, RED, BLUE, GREY])]
)
def test_beyond_the_image_it_repeats(wrap: Wrap, expected: list[tuple[int, ...]]) -> None:
    assert read_colors(square([(u + 1, v) for u, v in CORNERS], material(wrap))) == expected


def test_beyond_a_clamped_image_its_border_goes_on() -> None:
    outside = [(-3.0, -3.0), (4.0, -3.0), (4.0, 4.0), (-3.0, 4.0)]
    [color] = set(read_colors(square([(0.5, 0.5)] * 4, material())))
    # in the middle, all four
    assert color == pytest.approx((96, 96, 96), abs=2)
    small = square(outside, material())
    # so far apart that one texel stands for the image
    assert set(read_colors(small)) == {color}


def test_factor_and_vertex_colours_multiply_it_in_linear_light() -> None:
    mesh = square([(0.9, 0.9)] * 4, material(factor=(0.5, 1, 1, 1)))
    colors = np.tile(np.array([255, 188, 0], np.uint8), (4, 1))
    mesh = Mesh(mesh.vertices, mesh.faces, colors, mesh.texturing)
    # 128 is 0.216 in linear light, 188 is 0.503
    assert set(read_colors(mesh)) == {(92, 93, 0)}


def test_faces_without_a_texture_keep_their_colours() -> None:
    mesh = square([(0.1, 0.1)] * 4, material())
    assert mesh.texturing is not None
    texturing = Texturing(mesh.texturing.uvs, np.array([-1, 0]), mesh.texturing.materials)
    colors = np.full((4, 3), 255, np.uint8)
    colors[1] = (10, 20, 30)
    read = read_colors(Mesh(mesh.vertices, mesh.faces, colors, texturing))
    assert read == [RED, (10, 20, 30), RED, RED]
