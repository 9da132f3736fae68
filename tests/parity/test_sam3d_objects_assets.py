"""What the adapter of SAM 3D Objects does to meshes and splats, without upstream."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from workers.engines.objects.sam3d import plyfile
from workers.engines.objects.sam3d.cleanup import mesh_from_splat, repair_mesh
from workers.formats.splat_ply import read_splat_fields
from workers.geometry.gaussians import Gaussians


def test_splats_are_written_without_the_gpl_package(tmp_path: Path) -> None:
    named = ["x", "y", "z", "nx", "ny", "nz", *(f"f_dc_{k}" for k in range(3)), "opacity"]
    fields = [*named, *(f"scale_{k}" for k in range(3)), *(f"rot_{k}" for k in range(4))]
    rows = np.random.default_rng(0).normal(size=(7, len(fields))).astype(np.float32)
    table = np.empty(7, dtype=[(field, "f4") for field in fields])
    table[:] = list(map(tuple, rows))
    plyfile.PlyData([plyfile.PlyElement.describe(table, "vertex")]).write(str(tmp_path / "s.ply"))
    np.testing.assert_array_equal(read_splat_fields((tmp_path / "s.ply").read_bytes()), rows)


def test_meshes_are_repaired() -> None:
    box = trimesh.creation.box((1, 1, 1)).subdivide()
    vertices, faces = np.asarray(box.vertices, float), np.asarray(box.faces)
    broken = np.vstack([vertices, [[np.nan, 0, 0]]])
    torn = np.vstack([faces[1:], [[0, 1, len(vertices)], [0, 0, 1], [0, 1, 10**6]]])
    mesh, closed = repair_mesh(broken, torn, None)
    assert closed and np.isfinite(mesh.vertices).all()
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).volume == pytest.approx(1)
    with pytest.raises(ValueError):
        repair_mesh(broken, np.array([[0, 0, 1]]), None)
    scattered = np.random.default_rng(1).uniform(-0.5, 0.5, (120, 3)).astype(np.float32)
    thin = Gaussians(
        scattered,
        np.tile(np.array([1, 0, 0, 0], np.float32), (120, 1)),
        np.full((120, 3), 0.001, np.float32),
        np.full(120, 0.9, np.float32),
        np.full((120, 3), 0.5, np.float32),
    )
    assert len(mesh_from_splat(thin).faces) > 0
    with pytest.raises(ValueError):
        mesh_from_splat(
            Gaussians(*(np.zeros(shape, np.float32) for shape in ((3, 3), (3, 4), (3, 3), (3,), (3, 3))))
        )
