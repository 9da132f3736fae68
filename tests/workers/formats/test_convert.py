"""Conversions: detecting formats, splats and meshes in every direction, axes, the command, broken files."""

import io

import numpy as np
import pytest
import trimesh
import typer
from typer.testing import CliRunner

from tests.support.splats import compute_covariances, flip_axes, make_signpost, random_splat, sort_by_color
from workers.convert_cli import convert
from workers.formats.convert import (
    ConvertError,
    convert_mesh,
    convert_splat,
    detect,
)
from workers.formats.glb_builder import GlbBuilder
from workers.formats.glb_mesh_reader import read_mesh_glb
from workers.formats.mesh_checks import MeshError
from workers.formats.mesh_writers import write_mesh_ply
from workers.formats.obj_reader import read_mesh_obj
from workers.formats.obj_writer import write_mesh_obj
from workers.formats.ply_mesh_reader import read_mesh_ply
from workers.formats.registry import MESH_CODECS, SPLAT_CODECS
from workers.geometry.meshes import Mesh

BALL = trimesh.creation.icosphere(1)
COLORS = np.random.default_rng(0).integers(0, 256, (len(BALL.vertices), 3)).astype(np.uint8)
MESH = Mesh(np.asarray(BALL.vertices) * [1, 2, 3] + [0, 0, 5], np.asarray(BALL.faces), COLORS)


def mesh_glb(mesh=MESH, **placement):
    builder = GlbBuilder()
    builder.add_node(
        "it", mesh=builder.add_mesh("it", mesh.vertices, mesh.faces, colors=mesh.colors), **placement
    )
    return builder.build()


MESH_FILES = {"glb": mesh_glb(), "obj": write_mesh_obj(MESH), "ply": write_mesh_ply(MESH)}
SPLAT_FILES = {name: codec.write(random_splat(30)) for name, codec in SPLAT_CODECS.items()}


@pytest.mark.parametrize("name", SPLAT_CODECS)
def test_splats_are_detected_by_their_content(name):
    assert detect(SPLAT_FILES[name]) == ("splat", name)


@pytest.mark.parametrize("name", MESH_CODECS)
def test_meshes_are_detected_by_their_content(name):
    assert detect(MESH_FILES[name]) == ("mesh", name)


@pytest.mark.parametrize("data", [b"", b"hello v 1 2 3", b"\x89PNG\r\n", b"glTF", b"glTF" + bytes(40)])
def test_other_bytes_are_no_splat_and_no_mesh(data):
    with pytest.raises(ConvertError):
        detect(data)


@pytest.mark.parametrize("source", SPLAT_CODECS)
@pytest.mark.parametrize("target", SPLAT_CODECS)
def test_every_splat_format_converts_to_every_other(source, target):
    post = make_signpost()
    data = convert_splat(SPLAT_CODECS[source].write(post), None, target)
    actual = sort_by_color(SPLAT_CODECS[target].read(data))
    np.testing.assert_allclose(actual.means, post.means, atol=3e-5)
    np.testing.assert_allclose(compute_covariances(actual), compute_covariances(post), atol=3e-3)
    np.testing.assert_allclose(actual.colors, post.colors, atol=0.008)
    np.testing.assert_allclose(actual.opacities, post.opacities, atol=0.006)


@pytest.mark.parametrize("source", SPLAT_CODECS)
@pytest.mark.parametrize("target", SPLAT_CODECS)
def test_y_down_turns_about_x_between_the_families(source, target):
    post = make_signpost()
    crosses = (source in ("ply", "sog")) != (target in ("ply", "sog"))
    means, spread = flip_axes(post, (1, -1, -1) if crosses else (1, 1, 1))
    actual = sort_by_color(
        SPLAT_CODECS[target].read(
            convert_splat(SPLAT_CODECS[source].write(post), source, target, y_down=True)
        )
    )
    np.testing.assert_allclose(actual.means, means, atol=3e-5)
    np.testing.assert_allclose(compute_covariances(actual), spread, atol=3e-3)


@pytest.mark.parametrize("source", MESH_CODECS)
@pytest.mark.parametrize("target", MESH_CODECS)
def test_every_mesh_format_converts_to_every_other(source, target):
    data = convert_mesh(MESH_FILES[source], None, target)
    actual = MESH_CODECS[target].read(data)
    np.testing.assert_allclose(actual.vertices, MESH.vertices, atol=1e-6)
    np.testing.assert_array_equal(actual.faces, MESH.faces)
    np.testing.assert_array_equal(actual.colors, MESH.colors)
    loaded = trimesh.load(io.BytesIO(data), file_type=target, process=False, force="mesh")
    np.testing.assert_allclose(loaded.vertices, MESH.vertices, atol=1e-6)
    np.testing.assert_array_equal(loaded.faces, MESH.faces)


def test_nodes_place_meshes_and_mirrors_keep_the_outside():
    half = 0.5**0.5
    moved = read_mesh_glb(mesh_glb(rotation_wxyz=[half, half, 0, 0], translation=[1, 0, 0], scale=2))
    # A quarter turn about x takes y to z and z to -y.
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    np.testing.assert_allclose(moved.vertices, 2 * MESH.vertices @ turn.T + [1, 0, 0], atol=1e-5)
    mirrored = read_mesh_glb(mesh_glb(scale=[-1, 1, 1]))
    assert trimesh.Trimesh(mirrored.vertices, mirrored.faces, process=False).volume > 0


def test_obj_of_other_tools_is_read():
    text = b"# quad\no it\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1 4/1\nf -4 -3//2 -2\n"
    mesh = read_mesh_obj(text.replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [0, 1, 2]])
    assert mesh.colors is None


def test_ply_of_other_tools_is_read():
    head = b"ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty double x\nproperty double y\n"
    head += b"property double z\nproperty float quality\nelement face 1\nproperty uchar flags\n"
    head += b"property list uint8 uint32 vertex_index\nend_header\n"
    points = np.zeros(3, [("xyz", "<f8", 3), ("quality", "<f4")])
    points["xyz"] = np.eye(3)
    corners = np.array([0, 1, 2], "<u4").tobytes()
    mesh = read_mesh_ply(head + points.tobytes() + bytes([7, 3]) + corners)
    np.testing.assert_array_equal(mesh.vertices, np.eye(3))
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2]])
    quad = read_mesh_ply(head + points.tobytes() + bytes([7, 4]) + corners + bytes(4))
    np.testing.assert_array_equal(quad.faces, [[0, 1, 2], [0, 2, 0]])


def replace_bytes(name, old, new):
    assert old in MESH_FILES[name]
    return MESH_FILES[name].replace(old, new)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("ply", replace_bytes("ply", b"element vertex 42", b"element vertex 99999999999"), "ends before"),
        ("ply", replace_bytes("ply", b"element face 80", b"element face 4000000000"), "ends before"),
        ("ply", replace_bytes("ply", b"element face 80", b"element fact 80"), "no faces"),
        ("ply", replace_bytes("ply", b"element vertex 42", b"element vertex 9" + b"9" * 30), "count"),
        ("ply", replace_bytes("ply", b"vertex_indices", b"vertex_indizes"), "vertex_indizes"),
        ("ply", replace_bytes("ply", b"little", b"bigger"), "little"),
        ("ply", MESH_FILES["ply"][:-1], "ends before"),
        ("ply", MESH_FILES["ply"][:-4] + b"\xff\xff\xff\x7f", "do not exist"),
        ("obj", b"v 0 0\nf 1 1 1", "three numbers"),
        ("obj", b"v 0 0 0\nf 1 1", "three vertices that exist"),
        ("obj", b"v 0 0 0\nf 1 1 2", "do not exist"),
        ("obj", b"v 0 0 0\nf 1 1 -9", "three vertices that exist"),
        ("obj", b"v 0 0 0\nf 1 1 " + b"9" * 40, "three vertices that exist"),
        ("obj", b"v 0 0 zero\n", "cannot be read"),
        ("obj", b"v 0 0 nan\nf 1 1 1\n", "finite"),
        ("obj", b"v 0 0 0\n", "faces"),
        ("obj", b"f 1 2 3\n", "three numbers"),
        ("glb", MESH_FILES["glb"][:-8], "bytes"),
        ("glb", SPLAT_FILES["khr_glb"], "triangle"),
        ("glb", b"", "shorter"),
    ],
)
def test_broken_meshes_are_refused(name, data, words):
    with pytest.raises(MeshError, match=words):
        MESH_CODECS[name].read(data)
    with pytest.raises(ConvertError, match=words):
        convert_mesh(data, name, "glb")


@pytest.mark.parametrize("name", SPLAT_CODECS)
def test_broken_splats_are_refused(name):
    with pytest.raises(ConvertError):
        convert_splat(SPLAT_FILES[name][:-9], name, "ply")


def test_meshes_and_splats_do_not_mix():
    with pytest.raises(ConvertError, match="not a splat"):
        convert_splat(MESH_FILES["ply"], None, "spz")
    with pytest.raises(ConvertError, match="not a mesh"):
        convert_mesh(SPLAT_FILES["spz"], None, "glb")


def test_too_many_gaussians_are_refused(monkeypatch):
    monkeypatch.setattr("workers.formats.splat_ply.MAX_GAUSSIANS", 29)
    with pytest.raises(ConvertError, match="30 Gaussians; at most 29"):
        convert_splat(SPLAT_FILES["ply"], None, "spz")


def run(*arguments):
    app = typer.Typer()
    app.command()(convert)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_goes_by_the_extension(tmp_path):
    (tmp_path / "a.ply").write_bytes(SPLAT_FILES["ply"])
    (tmp_path / "m.ply").write_bytes(MESH_FILES["ply"])
    for source, target, detected in (
        ("a.ply", "a.spz", ("splat", "spz")),
        ("a.ply", "a.sog", ("splat", "sog")),
        ("a.ply", "a.glb", ("splat", "khr_glb")),
        ("a.spz", "b.ply", ("splat", "ply")),
        ("m.ply", "m.glb", ("mesh", "glb")),
        ("m.glb", "m.obj", ("mesh", "obj")),
    ):
        result = run(tmp_path / source, tmp_path / target)
        assert result.exit_code == 0, result.output
        assert detect((tmp_path / target).read_bytes()) == detected
    assert run(tmp_path / "a.ply", tmp_path / "x", "--to", "sog", "--y-down").exit_code == 0
    assert detect((tmp_path / "x").read_bytes()) == ("splat", "sog")


def test_the_command_reports_errors(tmp_path):
    (tmp_path / "a.ply").write_bytes(SPLAT_FILES["ply"][:-1])
    (tmp_path / "m.obj").write_bytes(MESH_FILES["obj"])
    broken = run(tmp_path / "a.ply", tmp_path / "a.spz")
    assert broken.exit_code == 1
    assert "ends before" in broken.output
    assert not (tmp_path / "a.spz").exists()
    wrong = run(tmp_path / "m.obj", tmp_path / "m.spz")
    assert wrong.exit_code == 2
    assert "glb, obj, ply" in wrong.output
