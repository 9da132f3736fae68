"""PLY meshes and splats as other tools write them: encodings, line ends, polygons, colours."""

import io
from typing import Any

import numpy as np
import pytest
import trimesh

from tests.support.splats import random_splat
from workers.formats.convert import ConvertError, load_asset, write_asset
from workers.formats.splat_ply import write_splat_ply
from workers.geometry.gaussians import Gaussians

BOX = trimesh.creation.box()
ENCODINGS = ["ascii", "binary_little_endian", "binary_big_endian"]
SQUARE = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 1.5, 0)]


def write_ply(
    encoding: str,
    polygons: list[list[int]],
    *,
    colors: Any = None,
    kind: str = "uchar",
    newline: str = "\n",
    extra: str = "",
) -> bytes:
    """A PLY of the corners of SQUARE, written value by value."""
    order = ">" if "big" in encoding else "<"
    codes = {"uchar": "u1", "ushort": "u2", "float": "f4"}
    head = ["ply", f"format {encoding} 1.0", "comment caf\xe9", f"element vertex {len(SQUARE)}"]
    head += [f"property float {axis}" for axis in "xyz"]
    if colors is not None:
        head += [f"property {kind} {name}" for name in ("red", "green", "blue")]
    head += [f"element face {len(polygons)}", "property list uchar int vertex_indices", *extra.split("\n")]
    text = newline.join([line for line in head if line] + ["end_header", ""]).encode("latin-1")
    if encoding == "ascii":
        rows = [[*xyz, *([] if colors is None else colors[i])] for i, xyz in enumerate(SQUARE)]
        rows += [[len(polygon), *polygon] for polygon in polygons]
        return text + newline.join(" ".join(map(str, row)) for row in rows).encode() + newline.encode()
    for i, xyz in enumerate(SQUARE):
        text += np.array(xyz, f"{order}f4").tobytes()
        text += b"" if colors is None else np.array(colors[i], order + codes[kind]).tobytes()
    for polygon in polygons:
        text += bytes([len(polygon)]) + np.array(polygon, f"{order}i4").tobytes()
    return text


def convert(data: bytes) -> trimesh.Trimesh:
    """The PLY as OBJ, as trimesh reads it."""
    written = write_asset(load_asset(data), "obj")
    return trimesh.load(io.BytesIO(written.data), file_type="obj", process=False)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(
    "polygons", [[[0, 1, 2], [0, 2, 3]], [[0, 1, 2, 3]], [[0, 1, 2, 3], [3, 2, 4]], [[0, 1, 2, 4, 3]]]
)
def test_polygons_in_every_encoding(encoding: str, newline: str, polygons: list[list[int]]) -> None:
    mesh = convert(write_ply(encoding, polygons, newline=newline))
    expected = [[p[0], p[k], p[k + 1]] for p in polygons for k in range(1, len(p) - 1)]
    np.testing.assert_allclose(mesh.triangles, np.array(SQUARE)[expected])


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("kind", "scale"), [("uchar", 1), ("ushort", 257), ("float", 1 / 255)])
def test_colours_of_every_type(encoding: str, kind: str, scale: float) -> None:
    wanted = np.array([[0, 51, 255], [255, 0, 0], [1, 2, 3], [100, 200, 50], [9, 8, 7]])
    values = (wanted * scale).tolist() if kind == "float" else (wanted * scale).astype(int).tolist()
    mesh = convert(write_ply(encoding, [[0, 1, 2], [2, 3, 4]], colors=values, kind=kind))
    np.testing.assert_array_equal(mesh.visual.vertex_colors[:, :3], wanted)


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_trimeshs_own_files_are_read(encoding: str) -> None:
    mesh = convert(BOX.export(file_type="ply", encoding=encoding))
    assert mesh.is_watertight and mesh.volume == pytest.approx(1.0)


def test_edges_textures_and_colours_of_faces_are_counted() -> None:
    data = write_ply("ascii", [[0, 1, 2]], extra="element edge 2\nproperty int vertex1\nproperty int vertex2")
    data = data.replace(b"comment caf\xe9", b"comment TextureFile a.png")
    assert +load_asset(data + b"0 1\n1 2\n").losses == {"lines": 2, "textures": 1}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_cut_files_are_refused(encoding: str) -> None:
    data = write_ply(encoding, [[0, 1, 2, 3], [3, 2, 4]])
    for cut in (1, 5, 14, 40):
        with pytest.raises(ConvertError):
            # a cut number of a text may still be a number
            load_asset(data[: -cut - (encoding == "ascii")])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"element vertex 5", b"element vertex 99999999999"),
        (b"element face 2", b"element face 4000000000"),
        (b"ascii", b"utf8"),
        (b"3 3 2 4", b"3 3 2 99"),
        (b"3 3 2 4", b"2 3 2"),
        (b"3 3 2 4", b"1e9 3 2"),
        (b"3 3 2 4", b"inf 3 2"),
        (b"3 3 2 4", b"nan 3 2"),
        (b"3 3 2 4", b"3.5 3 2 4"),
        (b"3 3 2 4", b"3 3 2 x"),
        (b"3 3 2 4", b"3 3 2 1e30"),
    ],
)
def test_broken_texts_are_refused(old: bytes, new: bytes) -> None:
    data = write_ply("ascii", [[0, 1, 2, 3], [3, 2, 4]])
    assert old in data
    with pytest.raises(ConvertError):
        load_asset(data.replace(old, new))


def test_faces_may_precede_vertices() -> None:
    head = b"ply\nformat ascii 1.0\nelement face 1\nproperty list uchar int vertex_index\nelement vertex 3\n"
    head += b"property float x\nproperty float y\nproperty float z\nend_header\n"
    assert convert(head + b"3 0 1 2\n0 0 0\n1 0 0\n0 1 0\n").area == pytest.approx(0.5)


def test_long_comments_are_skipped() -> None:
    data = write_ply("binary_big_endian", [[0, 1, 2]]).replace(b"caf\xe9", b"x" * 200_000)
    assert len(convert(data).faces) == 1


def test_headers_of_splats_may_end_lines_as_windows_does() -> None:
    data = write_splat_ply(random_splat(5))
    end = data.index(b"end_header\n") + len(b"end_header\n")
    windows = data[:end].replace(b"\n", b"\r\n") + data[end:]
    loaded = load_asset(windows)
    assert isinstance(loaded.asset, Gaussians) and len(loaded.asset) == 5 and not +loaded.losses


def test_gaussians_that_are_no_numbers_are_counted() -> None:
    data = write_splat_ply(random_splat(5))
    body = np.frombuffer(data[-5 * 68 :], "<f4").reshape(5, 17).copy()
    body[1, 0] = np.nan
    body[3, 13:17] = 0
    loaded = load_asset(data[: -5 * 68] + body.tobytes())
    assert isinstance(loaded.asset, Gaussians) and len(loaded.asset) == 3
    assert +loaded.losses == {"gaussians": 2}


@pytest.mark.parametrize(("value", "lost"), [(0.0, {}), (0.25, {"harmonics": 1})])
def test_harmonics_that_are_left_out_are_counted(value: float, lost: dict[str, int]) -> None:
    data = write_splat_ply(random_splat(1)).replace(
        b"property float opacity", b"property float f_rest_0\nproperty float opacity"
    )
    head, body = data[: -17 * 4], np.frombuffer(data[-17 * 4 :], "<f4")
    assert +load_asset(head + np.insert(body, 9, value).astype("<f4").tobytes()).losses == lost
