"""Meshes of SAM 3D Objects that are broken, and what is made of them."""

import numpy as np
import pytest
import trimesh

from workers.engines.objects.sam3d.cleanup import mesh_from_splat, repair_mesh
from workers.geometry.gaussians import Gaussians


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
    with pytest.raises(ValueError):
        mesh_from_splat(
            Gaussians(*(np.zeros(shape, np.float32) for shape in ((3, 3), (3, 4), (3, 3), (3,), (3, 3))))
        )
