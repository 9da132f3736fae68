"""Simulation packages: mass and inertia of known solids, and bodies that real engines load and drop."""

import io
import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from tests.support.media_files import encode_png
from workers.formats.simulation import convex_parts
from workers.formats.simulation.convex_parts import decompose_convex
from workers.formats.simulation.package import write_simulation_zip
from workers.formats.simulation.solids import NotSolid, compute_mass, make_lods
from workers.geometry.meshes import Mesh, TextureMaterial, Texturing
from workers.geometry.poses import Similarity, matrix_from_quaternion

pytestmark = pytest.mark.slow

DENSITY = 700.0


def solid(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices, dtype=np.float64), np.asarray(shape.faces, dtype=np.int64))


def unpack(folder: Path, mesh: Mesh, scale: float = 1.0, visual: Mesh | None = None) -> dict[str, object]:
    data = write_simulation_zip(
        mesh,
        "a box <1>",
        scale=scale,
        density=DENSITY,
        notes={"flags": ["scale_not_metric"]},
        make_visual=None if visual is None else lambda: visual,
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


# the corners of a cube, each in a colour of its own
CORNERS = np.array([[x, y, z] for x in (0, 255) for y in (0, 255) for z in (0, 255)], dtype=np.uint8)


def textured_mesh() -> Mesh:
    """A unit square prism whose texture is red above and green below."""
    box = solid(trimesh.creation.box((0.4, 1.0, 0.2)))
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4], pixels[4:] = (230, 30, 20), (30, 200, 40)
    uvs = np.column_stack([box.vertices[:, 0] + 0.5, 0.5 - 0.9 * box.vertices[:, 1]])
    material = TextureMaterial(image=encode_png(pixels), media_type="image/png")
    return replace(box, texturing=Texturing(uvs, np.zeros(len(box.faces), dtype=np.int64), (material,)))


def read_colors(path: Path) -> tuple[trimesh.Trimesh, NDArray[np.uint8]]:
    """An OBJ as trimesh reads it, and the texture's colour (V, 3) at each vertex."""
    mesh = trimesh.load(path, process=False)
    image = np.asarray(mesh.visual.material.image.convert("RGB"))
    height, width = image.shape[:2]
    columns = np.clip((mesh.visual.uv[:, 0] * width).astype(int), 0, width - 1)
    rows = np.clip(((1 - mesh.visual.uv[:, 1]) * height).astype(int), 0, height - 1)
    return mesh, image[rows, columns]


def test_the_visual_mesh_keeps_its_texture(tmp_path: Path) -> None:
    mesh = textured_mesh()
    unpack(tmp_path, mesh, visual=mesh)
    read, colors = read_colors(tmp_path / "visual_lod0.obj")
    above = read.vertices[:, 2] > 0
    assert 0 < above.sum() < len(above)
    assert (colors[above] == (230, 30, 20)).all() and (colors[~above] == (30, 200, 40)).all()
    [texture] = tmp_path.glob("texture-*.png")
    assert f'file="{texture.name}"' in (tmp_path / "object.xml").read_text()


def test_coarser_levels_have_the_vertex_colours_as_textures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convex_parts, "VOXELS", 4000)
    ball = solid(trimesh.creation.icosphere(subdivisions=4, radius=0.5))
    colors = np.where(ball.vertices[:, 1:2] > 0, (230, 30, 20), (30, 200, 40)).astype(np.uint8)
    unpack(tmp_path, replace(ball, colors=colors), visual=textured_mesh())
    for level in (1, 2):
        read, shown = read_colors(tmp_path / f"visual_lod{level}.obj")
        above, below = read.vertices[:, 2] > 0.1, read.vertices[:, 2] < -0.1
        np.testing.assert_allclose(shown[above].mean(axis=0), (230, 30, 20), atol=4)
        np.testing.assert_allclose(shown[below].mean(axis=0), (30, 200, 40), atol=4)


def test_vertex_colours_become_a_texture(tmp_path: Path) -> None:
    box = solid(trimesh.creation.box((0.2, 0.2, 0.2)))
    unpack(tmp_path, replace(box, colors=CORNERS))
    mesh, colors = read_colors(tmp_path / "visual_lod0.obj")
    # back from z up to y up
    expected = 255 * (mesh.vertices[:, [0, 2, 1]] * (1, 1, -1) > 0)
    np.testing.assert_allclose(colors, expected, atol=2)


def test_a_mesh_without_colours_has_no_texture(tmp_path: Path) -> None:
    unpack(tmp_path, solid(trimesh.creation.box((0.2, 0.2, 0.2))))
    assert not list(tmp_path.glob("*.png")) and not list(tmp_path.glob("*.mtl"))


def test_the_frame_is_the_one_of_the_conventions(tmp_path: Path) -> None:
    """p_sim = s Z p_obj, and p_cam = R(q) Zᵀ p_sim + t where s is the scale of the pose."""
    z_up = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    mesh = trimesh.creation.box((0.3, 1.0, 0.2)).apply_translation((0.1, 0.2, -0.3))
    pose = Similarity.from_parts(np.eye(3)[[2, 0, 1]], np.array([0.1, -0.2, 3.0]))
    pose = replace(pose, scale=0.25)
    summary = unpack(tmp_path, solid(mesh), scale=pose.scale)
    read = trimesh.load(tmp_path / "visual_lod0.obj", process=False)
    np.testing.assert_allclose(read.vertices, 0.25 * mesh.vertices @ z_up.T, atol=1e-7)
    np.testing.assert_allclose(
        read.vertices @ (pose.rotation_matrix() @ z_up.T).T + pose.translation,
        pose.apply(np.asarray(mesh.vertices)),
        atol=1e-7,
    )
    np.testing.assert_allclose(summary["rotation_from_object"], z_up)
    assert summary["metres_per_unit"] == 0.25
    # a quarter turn about x: the top stays up, the front (+z of the object) faces -y
    np.testing.assert_allclose(
        matrix_from_quaternion(np.array([[0.5**0.5, 0.5**0.5, 0, 0]]))[0], z_up, atol=1e-12
    )
    np.testing.assert_array_equal(z_up @ (0, 1, 0), (0, 0, 1))
    np.testing.assert_array_equal(z_up @ (0, 0, 1), (0, -1, 0))


def test_mujoco_shows_the_texture(tmp_path: Path) -> None:
    mujoco = pytest.importorskip("mujoco", reason="mujoco is not installed")
    mesh = textured_mesh()
    unpack(tmp_path, mesh, visual=mesh)
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "object.xml"))
    assert (model.ntex, model.nmat) == (1, 1)
    [shown] = [geom for geom in range(model.ngeom) if model.geom_contype[geom] == 0]
    assert model.geom_matid[shown] == 0 and model.mesh_texcoordnum[model.geom_dataid[shown]] > 0


def test_a_decomposition_that_dies_is_an_error() -> None:
    nothing = Mesh(np.zeros((3, 2)), np.zeros((1, 3), dtype=np.int64))
    with pytest.raises(subprocess.CalledProcessError):
        decompose_convex(nothing)


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
