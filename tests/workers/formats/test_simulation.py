"""Simulation packages: mass and inertia of known solids, and bodies that real engines load and drop."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh

from workers.formats.simulation.package import write_simulation_zip
from workers.formats.simulation.solids import NotSolid, compute_mass, decompose_convex, make_lods
from workers.geometry.meshes import Mesh

DENSITY = 700.0


def solid(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices, dtype=np.float64), np.asarray(shape.faces, dtype=np.int64))


def unpack(folder: Path, mesh: Mesh, scale: float = 1.0) -> dict[str, object]:
    data = write_simulation_zip(
        mesh, "a box <1>", scale=scale, density=DENSITY, notes={"flags": ["scale_not_metric"]}
    )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    summary: dict[str, object] = json.loads((folder / "simulation.json").read_text())
    return summary


def test_a_box_has_the_mass_and_inertia_of_the_textbook() -> None:
    size = np.array([0.2, 0.4, 0.1])
    built = compute_mass(solid(trimesh.creation.box(size)), DENSITY)
    mass = DENSITY * size.prod()
    expected = (
        mass
        / 12
        * np.diag([size[1] ** 2 + size[2] ** 2, size[0] ** 2 + size[2] ** 2, size[0] ** 2 + size[1] ** 2])
    )
    assert built.mass == pytest.approx(mass)
    np.testing.assert_allclose(built.inertia, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(built.centre, 0, atol=1e-12)


def test_an_open_mesh_has_no_mass() -> None:
    box = trimesh.creation.box((1, 1, 1))
    with pytest.raises(NotSolid):
        compute_mass(Mesh(np.asarray(box.vertices), np.asarray(box.faces)[:-2]), DENSITY)


def test_levels_of_detail_keep_the_shape() -> None:
    ball = solid(trimesh.creation.icosphere(subdivisions=5, radius=0.5))
    built = make_lods(ball)
    assert [len(level.faces) for level in built] == [20480, 4000, 1000, 250]
    volume = 4 / 3 * np.pi * 0.5**3
    for level, tolerance in zip(built, (0.01, 0.01, 0.02, 0.05), strict=True):
        assert abs(compute_mass(level, 1.0).mass - volume) / volume < tolerance


def test_convex_parts_keep_a_hole_open() -> None:
    ring = trimesh.creation.torus(0.4, 0.12)
    parts = [trimesh.Trimesh(part.vertices, part.faces) for part in decompose_convex(solid(ring))]
    assert 4 <= len(parts) <= 16 and all(part.is_convex for part in parts)
    covered = sum(part.volume for part in parts)
    assert covered < 1.2 * ring.volume, "the hole must stay open"
    assert covered > 0.9 * ring.volume
    assert not any(part.contains([[0.0, 0.0, 0.0]])[0] for part in parts)


def test_pybullet_loads_it_and_it_comes_to_rest_on_its_side(tmp_path: Path) -> None:
    p = pytest.importorskip("pybullet", reason="pybullet is not installed")
    size = (0.2, 0.4, 0.1)
    summary = unpack(tmp_path, solid(trimesh.creation.box(size)))
    client = p.connect(p.DIRECT)
    try:
        p.setGravity(0, 0, -9.81, client)
        ground = p.createCollisionShape(p.GEOM_PLANE, physicsClientId=client)
        p.createMultiBody(0, ground, physicsClientId=client)
        thing = p.loadURDF(
            str(tmp_path / "object.urdf"),
            (0, 0, 0.5),
            flags=p.URDF_USE_INERTIA_FROM_FILE,
            physicsClientId=client,
        )
        mass, _, diagonal, *_ = p.getDynamicsInfo(thing, -1, client)
        assert mass == pytest.approx(DENSITY * np.prod(size), rel=1e-6)
        # y up becomes z up: the box stands 0.4 tall
        low, high = np.array(p.getAABB(thing, -1, client))
        np.testing.assert_allclose(high - low, (0.2, 0.1, 0.4), atol=0.02)
        x, z, y = size
        expected = mass / 12 * np.array([y**2 + z**2, x**2 + z**2, x**2 + y**2])
        np.testing.assert_allclose(sorted(diagonal), sorted(expected), rtol=1e-4)
        for _ in range(480):
            p.stepSimulation(client)
        place, _ = p.getBasePositionAndOrientation(thing, client)
        assert place[2] == pytest.approx(0.2, abs=0.02)
    finally:
        p.disconnect(client)
    assert summary["flags"] == ["scale_not_metric"]


def test_mujoco_loads_it_and_it_comes_to_rest(tmp_path: Path) -> None:
    mujoco = pytest.importorskip("mujoco", reason="mujoco is not installed")
    unpack(tmp_path, solid(trimesh.creation.box((0.2, 0.4, 0.1))), scale=2.0)
    xml = (tmp_path / "object.xml").read_text()
    floor = '<worldbody><geom type="plane" size="5 5 0.1"/>'
    (tmp_path / "world.xml").write_text(
        xml.replace("<worldbody>", floor).replace('name="object">', 'name="object" pos="0 0 1">')
    )
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "world.xml"))
    data = mujoco.MjData(model)
    assert model.body("object").mass[0] == pytest.approx(DENSITY * 0.008 * 8, rel=1e-6)
    for _ in range(1500):
        mujoco.mj_step(model, data)
    assert data.body("object").xpos[2] == pytest.approx(0.4, abs=0.03)
