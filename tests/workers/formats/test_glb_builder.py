"""GLB writing: what readers we did not write see in it, and what the Khronos validator says."""

import io
import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.support.gltf_validator import assert_valid, validate
from workers.formats.color import linear_to_srgb, srgb_to_linear
from workers.formats.glb_accessors import GlbError
from workers.formats.glb_builder import GlbBuilder
from workers.formats.glb_reader import read_glb
from workers.geometry.meshes import TextureMaterial

BALL = trimesh.creation.icosphere(2)
COLORS = np.random.default_rng(0).integers(0, 256, (len(BALL.vertices), 3)).astype(np.uint8)


def ball_glb(**options):
    builder = GlbBuilder()
    mesh = builder.add_mesh("ball", BALL.vertices, BALL.faces, **options)
    builder.add_node("ball", mesh=mesh, extras={"unit": "metre"})
    return builder.build()


def png():
    out = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(out, "png")
    return out.getvalue()


def build_skin(joints, weights):
    builder = GlbBuilder()
    mesh = builder.add_mesh("body", BALL.vertices, BALL.faces, joints=joints, weights=weights)
    root = builder.add_node("hips")
    knee = builder.add_node("knee", parent=root, translation=[0, -1, 0])
    shift = np.eye(4)
    shift[:3, 3] = (0, 1, 0)
    skin = builder.add_skin("rig", [root, knee], [np.eye(4), shift], skeleton=root)
    builder.add_node("body", mesh=mesh, skin=skin)
    return builder.build()


def many_nodes():
    builder = GlbBuilder()
    mesh = builder.add_mesh("ball", BALL.vertices, BALL.faces)
    rng = np.random.default_rng(1)
    for k in range(40):
        builder.add_node(f"n{k}", mesh=mesh, rotation_wxyz=rng.normal(size=4), translation=[k, 0, 0], scale=2)
    return builder.build()


def wide_indices():
    rng = np.random.default_rng(2)
    builder = GlbBuilder()
    faces = rng.permuted(np.tile(np.arange(70_000), (100, 1)), axis=1)[:, :3]
    builder.add_node("wide", mesh=builder.add_mesh("wide", rng.random((70_000, 3)), faces))
    return builder.build()


RNG = np.random.default_rng(3)
CASES = {
    "plain": ball_glb,
    "normals": lambda: ball_glb(normals=BALL.vertex_normals * 3),
    "colors": lambda: ball_glb(colors=COLORS),
    "texture": lambda: ball_glb(
        uvs=RNG.random((len(BALL.vertices), 2)),
        texture=TextureMaterial(image=png(), media_type="image/png"),
        double_sided=True,
    ),
    "skin": lambda: build_skin(
        RNG.integers(0, 2, (len(BALL.vertices), 4)), RNG.random((len(BALL.vertices), 4)) + 0.01
    ),
    "many nodes": many_nodes,
    "wide indices": wide_indices,
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_khronos_validator_reports_nothing(case):
    report = assert_valid(CASES[case]())
    assert report["info"]["totalTriangleCount"] > 0


def test_the_validator_does_report_errors():
    glb = ball_glb().replace(b'"SCALAR"', b'"VEC2"  ')
    assert validate(glb)["issues"]["numErrors"] > 0


def test_trimesh_reads_the_same_vertices_faces_and_linear_colors():
    loaded = next(iter(trimesh.load(io.BytesIO(ball_glb(colors=COLORS)), file_type="glb").geometry.values()))
    np.testing.assert_array_equal(loaded.vertices, BALL.vertices.astype(np.float32))
    np.testing.assert_array_equal(loaded.faces, BALL.faces)
    raw = np.asarray(loaded.visual.vertex_attributes["color"], dtype=np.float64)
    raw = raw / (65535 if raw.max() > 255 else 255)
    np.testing.assert_allclose(raw[:, :3], srgb_to_linear(COLORS), atol=1 / 255)


def test_color_0_is_linear_and_reads_back_to_the_same_srgb():
    glb = read_glb(ball_glb(colors=COLORS))
    accessor = glb.document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]
    stored = glb.accessor(accessor)
    # 188 in sRGB is 0.5029 in linear light (IEC 61966-2-1), not 188 / 255 = 0.737.
    assert srgb_to_linear(np.array([188], dtype=np.uint8))[0] == pytest.approx(0.502886, abs=1e-6)
    np.testing.assert_allclose(stored[:, :3] / 65535.0, srgb_to_linear(COLORS), atol=1e-5)
    np.testing.assert_array_equal(glb.mesh(0).colors, COLORS)


def test_srgb_round_trip_is_exact_for_all_bytes():
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(linear_to_srgb(srgb_to_linear(every)), every)


def test_container_layout_is_aligned_and_deterministic():
    first, second = ball_glb(colors=COLORS), ball_glb(colors=COLORS)
    assert first == second
    magic, version, length = struct.unpack_from("<4sII", first)
    assert (magic, version, length) == (b"glTF", 2, len(first))
    size, kind = struct.unpack_from("<I4s", first, 12)
    assert kind == b"JSON" and size % 4 == 0
    document = json.loads(first[20 : 20 + size])
    assert document["asset"]["generator"] == "Maquette"
    assert all(view["byteOffset"] % 4 == 0 for view in document["bufferViews"])
    bounds = document["accessors"][0]
    np.testing.assert_array_equal(bounds["min"], BALL.vertices.astype(np.float32).min(axis=0))
    np.testing.assert_array_equal(bounds["max"], BALL.vertices.astype(np.float32).max(axis=0))


def test_quaternions_go_from_wxyz_to_xyzw():
    builder = GlbBuilder()
    half = np.sqrt(0.5)
    node = builder.add_node("turned", rotation_wxyz=[half, 0, 0, half], translation=[1, 2, 3], scale=2)
    glb = read_glb(builder.build())
    assert glb.document["nodes"][node]["rotation"] == pytest.approx([0, 0, half, half])
    # A quarter turn about z takes x to y.
    np.testing.assert_allclose(glb.world_matrix(node) @ [1, 0, 0, 1], [1, 4, 3, 1], atol=1e-12)


def test_children_are_placed_under_their_parents():
    builder = GlbBuilder()
    arm = builder.add_node("arm", translation=[0, 1, 0])
    hand = builder.add_node("hand", parent=arm, translation=[0, 1, 0])
    glb = read_glb(builder.build())
    assert glb.document["scenes"][0]["nodes"] == [arm]
    np.testing.assert_allclose(glb.world_matrix(hand)[:3, 3], [0, 2, 0])


def test_joints_are_merged_and_weights_normalised():
    joints = np.tile([1, 1, 0, 0], (len(BALL.vertices), 1))
    weights = np.tile([1.0, 2.0, 1.0, 0.0], (len(BALL.vertices), 1))
    mesh = read_glb(build_skin(joints, weights)).mesh(0)
    np.testing.assert_array_equal(mesh.joints[0], [1, 0, 0, 0])
    np.testing.assert_allclose(mesh.weights[0], [0.75, 0, 0.25, 0])


def test_inverse_bind_matrices_are_column_major():
    glb = read_glb(
        build_skin(np.zeros((len(BALL.vertices), 4), int), np.eye(4)[np.zeros(len(BALL.vertices), int)])
    )
    stored = glb.accessor(glb.document["skins"][0]["inverseBindMatrices"])
    np.testing.assert_array_equal(stored[1], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"normals": np.zeros((3, 3))}, "normals"),
        ({"colors": np.zeros((len(BALL.vertices), 3))}, "uint8"),
        ({"texture": TextureMaterial(image=b"x", media_type="image/png")}, "uvs"),
        ({"joints": np.zeros((len(BALL.vertices), 4), int)}, "together"),
    ],
)
def test_wrong_attributes_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        ball_glb(**options)


def test_wrong_geometry_is_refused():
    builder = GlbBuilder()
    with pytest.raises(ValueError, match="finite"):
        builder.add_mesh("nan", [[np.nan, 0, 0]], [[0, 0, 0]])
    with pytest.raises(ValueError, match="outside"):
        builder.add_mesh("far", np.zeros((3, 3)), [[0, 1, 3]])


@pytest.mark.parametrize("cut", [0, 11, 30, -5])
def test_truncated_files_are_refused(cut):
    with pytest.raises(GlbError):
        read_glb(ball_glb()[:cut])


def test_an_accessor_that_reaches_outside_is_refused():
    glb = read_glb(ball_glb())
    glb.document["accessors"][0]["count"] = 10**9
    with pytest.raises(GlbError, match="outside"):
        glb.mesh(0)
