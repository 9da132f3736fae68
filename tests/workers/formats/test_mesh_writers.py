"""OBJ and mesh PLY, read back by small parsers and by trimesh."""

import io

import numpy as np
import trimesh

from workers.formats.mesh_writers import write_mesh_ply
from workers.formats.obj_writer import write_mesh_obj
from workers.geometry.meshes import Mesh

BOX = trimesh.creation.box()
COLORS = np.random.default_rng(0).integers(0, 256, (8, 3)).astype(np.uint8)
MESH = Mesh(np.asarray(BOX.vertices) * [1, 2, 3], np.asarray(BOX.faces), COLORS)


def test_obj_holds_vertices_colours_and_faces():
    lines = [line.split() for line in write_mesh_obj(MESH).decode().splitlines()]
    vertices = np.array([line[1:] for line in lines if line and line[0] == "v"], dtype=float)
    np.testing.assert_allclose(vertices[:, :3], MESH.vertices, atol=1e-6)
    np.testing.assert_allclose(vertices[:, 3:6] * 255, COLORS, atol=0.51)
    faces = np.array([[int(p.split("/")[0]) for p in line[1:]] for line in lines if line and line[0] == "f"])
    np.testing.assert_array_equal(faces - 1, MESH.faces)
    assert write_mesh_obj(MESH) == write_mesh_obj(MESH)


def test_ply_reads_back():
    loaded = trimesh.load(io.BytesIO(write_mesh_ply(MESH)), file_type="ply", process=False)
    np.testing.assert_allclose(loaded.vertices, MESH.vertices, atol=1e-6)
    np.testing.assert_array_equal(loaded.faces, MESH.faces)
    np.testing.assert_array_equal(loaded.visual.vertex_colors[:, :3], COLORS)


def test_meshes_without_colours_are_written():
    plain = Mesh(MESH.vertices, MESH.faces)
    assert len(trimesh.load(io.BytesIO(write_mesh_ply(plain)), file_type="ply", process=False).faces) == 12
    assert write_mesh_obj(plain).count(b"\nv ") >= 7
