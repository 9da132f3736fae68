"""OBJ files as other tools write them, converted to PLY and read back by trimesh."""

import io
from typing import Any

import numpy as np
import pytest
import trimesh

from workers.formats.convert import ConvertError, load_asset, write_asset

QUAD = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\n"


def convert(text: bytes) -> trimesh.Trimesh:
    """The OBJ as PLY, as trimesh reads it."""
    written = write_asset(load_asset(text), "ply")
    return trimesh.load(io.BytesIO(written.data), file_type="ply", process=False)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(
    ("text", "faces"),
    [
        (QUAD + b"f 1 2 3\n", [[0, 1, 2]]),
        (b"\xef\xbb\xbf" + QUAD + b"f 1 2 3", [[0, 1, 2]]),
        (QUAD + b"f 1 2 \\\n 4 3\n", [[0, 1, 3], [0, 3, 2]]),
        (QUAD + b"f\\\n 1 2\\\n 3\\\n\n", [[0, 1, 2]]),
        (b"v 0 \\\n 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", [[0, 1, 2]]),
        (b"#" + b"x" * 80_000 + b"\n" + QUAD + b"f 1 2 3\n", [[0, 1, 2]]),
        (b"# a\n" * 40_000 + QUAD + b"f 1 2 3\n", [[0, 1, 2]]),
        (b"# C:\\models\\\n" + QUAD + b"f 1 2 3 # a face \\\nf 2 4 3\n", [[0, 1, 2], [1, 3, 2]]),
        (b"# caf\xe9\no caf\xe9\n" + QUAD + b"g \xe9\ns off\nf 1 2 3\n", [[0, 1, 2]]),
        (b"  v 0 0 0\n\tv 1 0 0\n v\t0  1 0 \n f 1 2 3 \n", [[0, 1, 2]]),
        (QUAD + b"f -4 -3 -2\nv 5 5 5\nf -1 -2 -3\n", [[0, 1, 2], [4, 3, 2]]),
        (QUAD + b"vt 0 0\nvn 0 0 1\nf 1/1/1 2//1 4/1 3\n", [[0, 1, 3], [0, 3, 2]]),
        (QUAD + b"v 2 2 0\nf 1 2 5 4 3\n", [[0, 1, 4], [0, 4, 3], [0, 3, 2]]),
        (b"v 0 0 0 1\nv 1 0 0 1.0\nv 0 1 0 1\nf 1 2 3\n", [[0, 1, 2]]),
        (b"mtllib a.mtl\n" + QUAD + b"usemtl b\nf 1 2 3\n", [[0, 1, 2]]),
    ],
)
def test_faces(text: bytes, faces: list[list[int]], newline: bytes) -> None:
    np.testing.assert_array_equal(convert(text.replace(b"\n", newline)).faces, faces)


@pytest.mark.parametrize("weight", [b"1", b"2.5"])
def test_the_weight_of_a_vertex_does_not_move_it(weight: bytes) -> None:
    mesh = convert(QUAD.replace(b" 0\n", b" 0 " + weight + b"\n") + b"f 1 2 3 4\n")
    np.testing.assert_array_equal(mesh.bounds, [[0, 0, 0], [1, 1, 0]])
    assert mesh.visual.kind is None


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (["1 0 0.5", "0 1 0", "0 0 1"], [[255, 0, 128], [0, 255, 0], [0, 0, 255]]),
        (["255 0 128", "0 254 0", "0 0 1"], [[255, 0, 128], [0, 254, 0], [0, 0, 1]]),
        (["1 0 0.5 1", "0 1 0 1", "0 0 1 0.2"], [[255, 0, 128], [0, 255, 0], [0, 0, 255]]),
        (["1 0 0", "", "0 0 1"], [[255, 0, 0], [255, 255, 255], [0, 0, 255]]),
    ],
)
def test_colours_of_every_range(numbers: list[str], expected: Any) -> None:
    places = ["0 0 0", "1 0 0", "0 1 0"]
    text = "".join(f"v {place} {color}\n" for place, color in zip(places, numbers, strict=True)) + "f 1 2 3\n"
    np.testing.assert_array_equal(convert(text.encode()).visual.vertex_colors[:, :3], expected)


def test_what_is_left_out_is_counted() -> None:
    text = QUAD + b"mtllib a.mtl\nusemtl red\nf 1 2 3\nusemtl blue\nf 2 4 3\nl 1 2 3\np 1 2\ncurv 0 1 1 2\n"
    losses = load_asset(text).losses
    assert +losses == {"lines": 2, "points": 2, "curves": 1, "materials": 2}


@pytest.mark.parametrize(
    "text",
    [
        QUAD + b"f 1 2\n",
        QUAD + b"f 1 2 9\n",
        QUAD + b"f 0 1 2\n",
        QUAD + b"f 1 2 x\n",
        QUAD,
        b"v 0 0\nf 1 1 1",
        b"v 0 0 0 1 1\nf 1 1 1",
        QUAD.replace(b"1 1", b"1 nan") + b"f 1 2 4\n",
        b"#" * 100,
        b"# v 1 2 3\n" + bytes(10) + QUAD,
    ],
)
def test_broken_files_are_refused(text: bytes) -> None:
    with pytest.raises(ConvertError):
        load_asset(text)
