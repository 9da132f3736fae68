"""GLB meshes as other tools write them, converted and read back by trimesh."""

import io
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from tests.support.raw_glb import CORNERS, FACES, RawGlb, build_cube, cube_primitive
from workers.formats.convert import ConvertError, load_asset, write_asset
from workers.formats.losses import name_flags

SOUP = CORNERS[FACES.ravel()]
# Corners of a strip of four triangles in the plane z = 0.
BAND = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 0]], np.float32)
DISC = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [-1, 1, 0]], np.float32)


def convert(data: bytes, target: str = "ply") -> tuple[trimesh.Trimesh, list[str]]:
    """The converted mesh as trimesh reads it, and its flags."""
    written = write_asset(load_asset(data), target)
    loaded = trimesh.load(io.BytesIO(written.data), file_type=target, process=False, force="mesh")
    return loaded, name_flags(written.losses)


def assert_cube(mesh: trimesh.Trimesh, side: float = 1.0, center: Any = (0, 0, 0)) -> None:
    """Twelve faces of a closed cube that is not inside out."""
    assert len(mesh.faces) == 12
    half = side / 2
    np.testing.assert_allclose(mesh.bounds, np.add([[-half] * 3, [half] * 3], center), atol=2e-4)
    mesh.merge_vertices(merge_norm=True, merge_tex=True)
    assert mesh.is_watertight and mesh.volume == pytest.approx(side**3, rel=1e-3)


def one_primitive(raw: RawGlb, positions: int, nodes: list[Any] | None = None, **primitive: Any) -> bytes:
    return raw.build([{"primitives": [{"attributes": {"POSITION": positions}, **primitive}]}], nodes)


@pytest.mark.parametrize("target", ["ply", "obj", "glb"])
def test_every_primitive_is_converted(target: str) -> None:
    raw = RawGlb()
    second = cube_primitive(raw)
    second["attributes"]["POSITION"] = raw.add(CORNERS + np.float32(3))
    mesh, flags = convert(raw.build([{"primitives": [cube_primitive(raw), second]}]), target)
    assert (len(mesh.faces), len(mesh.vertices), flags) == (24, 16, [])
    np.testing.assert_allclose(mesh.bounds, [[-0.5] * 3, [3.5] * 3])


def test_primitives_that_share_vertices_keep_only_their_own() -> None:
    raw = RawGlb()
    positions = raw.add(CORNERS)
    halves = [raw.add(part.ravel()) for part in (FACES[:6], FACES[6:])]
    mesh, _ = convert(
        raw.build([{"primitives": [{"attributes": {"POSITION": positions}, "indices": i} for i in halves]}])
    )
    assert_cube(mesh)


@pytest.mark.parametrize(
    ("kind", "padding"), [("int8", 1), ("uint8", 1), ("int16", 2), ("uint16", 2), ("int16", 10)]
)
def test_normalised_integers_are_fractions(kind: str, padding: int) -> None:
    largest = np.iinfo(kind).max
    low = -largest if kind.startswith("i") else 0
    raw = RawGlb()
    positions = raw.add(np.where(CORNERS > 0, largest, low).astype(kind), padding=padding, normalized=True)
    nodes = [{"mesh": 0, "scale": [0.25] * 3}]
    data = one_primitive(raw, positions, nodes, indices=raw.add(FACES.ravel()))
    assert_cube(convert(data)[0], 0.25 * (2 if low else 1), [0 if low else 0.125] * 3)


def test_integers_that_are_not_normalised_keep_their_values() -> None:
    raw = RawGlb()
    positions = raw.add(np.where(CORNERS > 0, 30, -30).astype(np.int8), padding=1)
    assert_cube(convert(one_primitive(raw, positions, indices=raw.add(FACES.ravel())))[0], 60)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
def test_indices_of_every_width(kind: Any) -> None:
    raw = RawGlb()
    assert_cube(convert(one_primitive(raw, raw.add(CORNERS), indices=raw.add(FACES.ravel().astype(kind))))[0])


def test_triangles_without_indices() -> None:
    raw = RawGlb()
    assert_cube(convert(one_primitive(raw, raw.add(SOUP)))[0])


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(("mode", "points", "area", "faces"), [(5, BAND, 2.0, 4), (6, DISC, 1.5, 3)])
def test_strips_and_fans(mode: int, points: NDArray[Any], area: float, faces: int, indexed: bool) -> None:
    raw = RawGlb()
    fields = {"indices": raw.add(np.arange(len(points), dtype=np.uint8))} if indexed else {}
    mesh, flags = convert(one_primitive(raw, raw.add(points), mode=mode, **fields))
    assert (len(mesh.faces), mesh.area, flags) == (faces, pytest.approx(area), [])
    facing = mesh.face_normals[:, 2]
    np.testing.assert_allclose(np.abs(facing.sum()), faces)


def test_joints_of_a_strip_are_no_faces() -> None:
    raw = RawGlb()
    joined = np.array([0, 1, 2, 3, 3, 2, 2, 3, 4, 5], np.uint8)
    mesh, _ = convert(one_primitive(raw, raw.add(BAND), mode=5, indices=raw.add(joined)))
    assert len(mesh.faces) == 4 and mesh.area == pytest.approx(2.0)


@pytest.mark.parametrize("has_view", [True, False])
def test_sparse_accessors_replace_values(has_view: bool) -> None:
    raw = RawGlb()
    listed = np.arange(8) if not has_view else np.array([7, 2])
    base = {"bufferView": raw.add_view(np.zeros((8, 3), np.float32).tobytes())} if has_view else {}
    if has_view:
        start = CORNERS.copy()
        start[listed] = 9
        base = {"bufferView": raw.add_view(start.tobytes())}
    sparse = {
        "count": len(listed),
        "indices": {"bufferView": raw.add_view(listed.astype(np.uint8).tobytes()), "componentType": 5121},
        "values": {"bufferView": raw.add_view(CORNERS[listed].tobytes())},
    }
    positions = raw.add_accessor(componentType=5126, count=8, type="VEC3", sparse=sparse, **base)
    assert_cube(convert(one_primitive(raw, positions, indices=raw.add(FACES.ravel())))[0])


@pytest.mark.parametrize(
    ("rotation", "words"),
    [([0, 0, 2 * 0.5**0.5, 2 * 0.5**0.5], None), ([0, 0, 1e-3, 1e-3], None), ([0, 0, 0, 0], "quaternion")],
)
def test_quaternions_are_normalised_or_refused(rotation: list[float], words: str | None) -> None:
    raw = RawGlb()
    nodes = [{"mesh": 0, "rotation": rotation, "translation": [2, 0, 0]}]
    data = raw.build([{"primitives": [cube_primitive(raw)]}], nodes)
    if words is None:
        assert_cube(convert(data)[0], center=[2, 0, 0])
    else:
        with pytest.raises(ConvertError, match=words):
            convert(data)


def test_only_the_default_scene_is_converted() -> None:
    raw = RawGlb()
    meshes = [{"primitives": [cube_primitive(raw)]}]
    nodes = [{"mesh": 0, "translation": [5 * k, 0, 0]} for k in range(3)] + [{"children": [2]}]
    scenes = [{"nodes": [0]}, {"nodes": [3]}]
    mesh, flags = convert(raw.build(meshes, nodes, scenes=scenes, scene=1))
    assert_cube(mesh, center=[10, 0, 0])
    assert flags == ["nodes_dropped"]
    mesh, flags = convert(raw.build(meshes, nodes[:1]))
    assert flags == []


def test_a_mesh_shown_twice_is_converted_twice() -> None:
    raw = RawGlb()
    nodes = [{"mesh": 0}, {"mesh": 0, "scale": [1, 1, -1], "translation": [3, 0, 0]}]
    mesh, _ = convert(raw.build([{"primitives": [cube_primitive(raw)]}], nodes))
    assert len(mesh.faces) == 24 and mesh.volume == pytest.approx(2.0)


@pytest.mark.parametrize(("mode", "flag"), [(0, "points"), (1, "lines"), (2, "lines"), (3, "lines")])
def test_lines_and_points_beside_a_mesh_are_left_out_and_counted(mode: int, flag: str) -> None:
    raw = RawGlb()
    strokes = {"mode": mode, "attributes": {"POSITION": raw.add(CORNERS[:4])}}
    data = raw.build([{"primitives": [strokes]}, {"primitives": [cube_primitive(raw)]}])
    mesh, flags = convert(data)
    assert_cube(mesh)
    assert flags == [f"{flag}_dropped"]
    assert load_asset(data).losses[flag] == {0: 4, 1: 2, 2: 4, 3: 3}[mode]
    with pytest.raises(ConvertError, match="no node of the scene shows a mesh"):
        convert(raw.build([{"primitives": [strokes]}]))


LINEAR = np.array([0.0, 0.2158605, 1.0])
SRGB = [0, 128, 255]


@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("target", ["ply", "obj"])
def test_colours_of_every_type_become_srgb(kind: str, alpha: bool, target: str) -> None:
    largest = 1.0 if kind == "float32" else float(np.iinfo(kind).max)
    linear = np.tile(LINEAR, (8, 1))
    rgba = np.column_stack([linear, np.ones(8)]) if alpha else linear
    colors = (rgba * largest + (0 if kind == "float32" else 0.5)).astype(kind)
    mesh, flags = convert(build_cube(COLOR_0=colors), target)
    np.testing.assert_allclose(mesh.visual.vertex_colors[:, :3].astype(int), np.tile(SRGB, (8, 1)), atol=1)
    assert flags == []


def test_the_colour_of_a_material_becomes_the_colour_of_vertices() -> None:
    raw = RawGlb()
    red = {"pbrMetallicRoughness": {"baseColorFactor": [*LINEAR, 1]}}
    data = raw.build([{"primitives": [{**cube_primitive(raw), "material": 0}]}], materials=[red])
    mesh, _ = convert(data)
    np.testing.assert_array_equal(mesh.visual.vertex_colors[:, :3], np.tile(SRGB, (8, 1)))


def test_skins_animations_and_morphs_are_counted() -> None:
    raw = RawGlb()
    meshes = [{"primitives": [cube_primitive(raw)], "weights": [0.5]}]
    nodes = [{"mesh": 0, "skin": 0, "translation": [7, 0, 0]}]
    mesh, flags = convert(raw.build(meshes, nodes, skins=[{"joints": [0]}], animations=[{}]))
    assert_cube(mesh)
    assert flags == ["animations_dropped", "morphs_dropped", "skins_dropped"]


def test_buffers_may_stand_in_the_document() -> None:
    import base64

    raw = RawGlb()
    primitive = cube_primitive(raw)
    uri = "data:application/octet-stream;base64," + base64.b64encode(raw.binary).decode()
    buffers = [{"byteLength": len(raw.binary), "uri": uri}]
    assert_cube(convert(raw.build([{"primitives": [primitive]}], buffers=buffers))[0])
    buffers = [{"byteLength": len(raw.binary), "uri": "cube.bin"}]
    with pytest.raises(ConvertError, match="not in the file"):
        convert(raw.build([{"primitives": [primitive]}], buffers=buffers))


@pytest.mark.parametrize("name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_compressed_meshes_are_refused(name: str) -> None:
    raw = RawGlb()
    primitive = cube_primitive(raw)
    with pytest.raises(ConvertError, match=name):
        convert(raw.build([{"primitives": [primitive]}], extensionsRequired=[name]))
    raw.accessors[0].pop("bufferView")
    with pytest.raises(ConvertError, match="compressed"):
        convert(raw.build([{"primitives": [primitive]}]))


def bomb_of_attributes(raw: RawGlb, positions: int) -> list[Any]:
    return [
        {"primitives": [{"attributes": {"POSITION": positions, **{f"_{k}": positions for k in range(500)}}}]}
    ]


def bomb_of_primitives(raw: RawGlb, positions: int) -> list[Any]:
    return [{"primitives": [{"attributes": {"POSITION": positions}}] * 2000}]


def bomb_of_zeros(raw: RawGlb, positions: int) -> list[Any]:
    sparse = {
        "count": 1,
        "indices": {"bufferView": raw.add_view(bytes(4)), "componentType": 5125},
        "values": {"bufferView": raw.add_view(bytes(12))},
    }
    zeros = raw.add_accessor(componentType=5126, count=20_000_000, type="VEC3", sparse=sparse)
    return [{"primitives": [{"attributes": {"POSITION": zeros}}]}]


def bomb_of_strips(raw: RawGlb, positions: int) -> list[Any]:
    indices = raw.add((np.arange(300_000) % 3).astype(np.uint8))
    return [{"primitives": [{"attributes": {"POSITION": positions}, "mode": 5, "indices": indices}] * 40}]


@pytest.mark.parametrize(
    "bomb", [bomb_of_attributes, bomb_of_primitives, bomb_of_zeros, bomb_of_strips], ids=lambda f: f.__name__
)
def test_a_small_file_takes_little_memory(bomb: Any) -> None:
    import tracemalloc

    raw = RawGlb()
    meshes = bomb(raw, raw.add(np.zeros((99_999, 3), np.float32)))
    data = raw.build(meshes)
    tracemalloc.start()
    try:
        convert(data)
    except ConvertError as error:
        assert "more than" in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 100 << 20
