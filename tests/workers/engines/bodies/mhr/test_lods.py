"""Levels of detail lie on the surface of LOD 1, and their faces come from the right file."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from tests.support.fbx_files import array_property, make_mesh_node, write_fbx
from tests.support.mhr_outputs import load_native_faces, load_outputs
from tests.support.synthetic_mhr import SyntheticMhr, random_parameters
from workers.engines.bodies.mhr import lods
from workers.engines.bodies.mhr.assets import MhrCorrupt, MhrMissing
from workers.engines.bodies.mhr.fbx import FbxError, read_meshes
from workers.engines.bodies.mhr.layout import CAMERA_FROM_MHR, reset_pose
from workers.engines.bodies.mhr.lods import COUNTS, LodMap, convert_lod, load_lod_faces, load_lod_map
from workers.engines.bodies.mhr.model import SkinnedMesh
from workers.engines.bodies.mhr.rig import build_rig
from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.protocols import BodyEstimate
from workers.geometry.cameras import Camera

OTHERS = (0, 2, 3, 4, 5, 6)


def distance_to(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> float:
    """The largest distance of points (N, 3) to the closest point of a surface."""
    # trimesh takes triangles of half a millimetre, given in metres, for points
    triangles, points = 1000 * vertices[faces], 1000 * points
    centres = triangles.mean(axis=1)
    reach = np.linalg.norm(triangles - centres[:, None], axis=2).max()
    tree = cKDTree(centres)
    bound, _ = tree.query(points)
    worst = 0.0
    for point, near in zip(points, tree.query_ball_point(points, bound + reach), strict=True):
        closest = trimesh.triangles.closest_point(triangles[near], np.tile(point, (len(near), 1)))
        worst = max(worst, float(np.linalg.norm(closest - point, axis=1).min()))
    return worst / 1000


@pytest.mark.parametrize("lod", OTHERS)
def test_shipped_mappings(lod: int) -> None:
    mapping = load_lod_map(lod)
    assert mapping.triangles.shape == (COUNTS[lod],) and mapping.weights.shape == (COUNTS[lod], 3)
    assert mapping.triangles.min() >= 0 and mapping.triangles.max() < 36874
    np.testing.assert_allclose(mapping.weights.sum(axis=1), 1, atol=1e-12)
    assert mapping.weights.min() > -1e-6 and mapping.weights.max() <= 1


@pytest.mark.parametrize("lod", [1, 7, -1])
def test_levels_without_a_mapping(lod: int) -> None:
    with pytest.raises(ValueError, match=r"levels other than 1"):
        load_lod_map(lod)


@pytest.mark.parametrize("lod", OTHERS)
def test_levels_of_real_bodies_lie_on_their_surface(lod: int) -> None:
    faces = load_native_faces()
    person = load_outputs()[lod % 4]
    mapped = load_lod_map(lod).apply(person["pred_vertices"], faces)
    assert mapped.shape == (COUNTS[lod], 3)
    chosen = np.random.default_rng(0).choice(len(mapped), 300, replace=False)
    assert distance_to(mapped[chosen], person["pred_vertices"], faces) <= 1e-5
    height = np.ptp(person["pred_vertices"][:, 1])
    assert abs(np.ptp(mapped[:, 1]) - height) < 0.02 * height


def a_ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=3, radius=0.5)


def a_map(count: int, faces: int, seed: int = 0) -> LodMap:
    random = np.random.default_rng(seed)
    return LodMap(random.integers(0, faces, count), random.dirichlet([1, 1, 1], count))


def test_mapped_points_lie_where_the_weights_say() -> None:
    ball = a_ball()
    mapping = a_map(200, len(ball.faces))
    points = mapping.apply(ball.vertices, ball.faces)
    assert distance_to(points, ball.vertices, ball.faces) <= 1e-12
    again = trimesh.triangles.points_to_barycentric(ball.triangles[mapping.triangles], points)
    np.testing.assert_allclose(again, mapping.weights, atol=1e-9)
    moved = ball.vertices @ np.diag([1.0, 2.0, 3.0]) + 1
    np.testing.assert_allclose(
        mapping.apply(moved, ball.faces), points @ np.diag([1.0, 2.0, 3.0]) + 1, atol=1e-12
    )


def test_the_skin_of_a_level_is_that_of_the_surface() -> None:
    ball = a_ball()
    places = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]])
    joints = np.argsort(np.linalg.norm(ball.vertices[:, None] - places, axis=2), axis=1).astype(np.int64)
    weights = np.tile([0.5, 0.3, 0.15, 0.05], (len(joints), 1))
    native = SkinnedMesh(ball.faces.astype(np.int64), joints, weights)
    corners = ball.faces[:50]
    exact = LodMap(np.arange(50), np.tile([1.0, 0, 0], (50, 1)))
    skin = exact.skin(native, np.zeros((0, 3), np.int64), 4)
    np.testing.assert_array_equal(skin.skin_joints, joints[corners[:, 0]])
    np.testing.assert_allclose(skin.skin_weights, weights[:50], atol=1e-6)
    mixed = a_map(80, len(ball.faces)).skin(native, np.zeros((0, 3), np.int64), 4)
    np.testing.assert_allclose(mixed.skin_weights.sum(axis=1), 1, atol=1e-6)


@pytest.fixture
def small_lods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, LodMap, trimesh.Trimesh]:
    """A folder with a LOD 1 of a ball and a LOD 2 of 40 points on it."""
    ball = a_ball()
    mapping = a_map(40, len(ball.faces), 5)
    monkeypatch.setattr(lods, "COUNTS", (0, len(ball.vertices), 40))
    monkeypatch.setattr(lods, "load_lod_map", lambda _lod: mapping)
    write_fbx(tmp_path / "lod1.fbx", [make_mesh_node(100 * ball.vertices, ball.faces)])
    faces = np.random.default_rng(1).permutation(39).reshape(13, 3)
    points = 100 * mapping.apply(ball.vertices, ball.faces)
    write_fbx(tmp_path / "lod2.fbx", [make_mesh_node(points, faces)], version=7700)
    return tmp_path, mapping, ball


def test_faces_come_from_the_file_of_the_level(
    small_lods: tuple[Path, LodMap, trimesh.Trimesh],
) -> None:
    folder, _, _ = small_lods
    faces = load_lod_faces(folder, 2)
    np.testing.assert_array_equal(faces, np.random.default_rng(1).permutation(39).reshape(13, 3))


def test_a_file_in_another_order_is_found_out(small_lods: tuple[Path, LodMap, trimesh.Trimesh]) -> None:
    folder, mapping, ball = small_lods
    points = 100 * mapping.apply(ball.vertices, ball.faces)[::-1]
    write_fbx(folder / "lod2.fbx", [make_mesh_node(points, np.arange(39).reshape(13, 3))])
    with pytest.raises(MhrCorrupt, match=r"not those of the mapping"):
        load_lod_faces(folder, 2)
    (folder / "lod2.fbx").unlink()
    with pytest.raises(MhrMissing, match=r"lod2\.fbx"):
        load_lod_faces(folder, 2)
    shutil.copy(folder / "lod1.fbx", folder / "lod2.fbx")
    with pytest.raises(MhrCorrupt, match=r"0 meshes of 40"):
        load_lod_faces(folder, 2)


@pytest.mark.parametrize("version", [7400, 7700])
@pytest.mark.parametrize("packed", [True, False])
def test_meshes_of_an_fbx_file(tmp_path: Path, version: int, packed: bool) -> None:
    ball = a_ball()
    node = make_mesh_node(ball.vertices, ball.faces, packed=packed)
    (mesh,) = read_meshes(write_fbx(tmp_path / "a.fbx", [node], version))
    np.testing.assert_array_equal(mesh.vertices, ball.vertices)
    np.testing.assert_array_equal(mesh.faces, ball.faces)


def test_damaged_files_are_errors_of_their_kind(tmp_path: Path) -> None:
    ball = a_ball()
    whole = write_fbx(tmp_path / "a.fbx", [make_mesh_node(ball.vertices, ball.faces)]).read_bytes()
    random = np.random.default_rng(0)
    for cut in (0, 10, 40, 200, len(whole) // 2, len(whole) - 40):
        (tmp_path / "cut.fbx").write_bytes(whole[:cut])
        with pytest.raises(FbxError):
            if not read_meshes(tmp_path / "cut.fbx"):
                raise FbxError("nothing in it")
    for _ in range(200):
        broken = bytearray(whole)
        broken[int(random.integers(27, 400))] = int(random.integers(256))
        (tmp_path / "broken.fbx").write_bytes(broken)
        try:
            read_meshes(tmp_path / "broken.fbx")
        except FbxError:
            continue
    quads = (b"Geometry", [], [
        (b"Vertices", [array_property(b"d", np.zeros(12))], []),
        (b"PolygonVertexIndex", [array_property(b"i", np.array([0, 1, 2, ~3], "<i4"))], []),
    ])  # fmt: skip
    with pytest.raises(FbxError, match=r"triangles"):
        read_meshes(write_fbx(tmp_path / "quads.fbx", [quads]))
    with pytest.raises(FbxError, match=r"version 6100"):
        read_meshes(write_fbx(tmp_path / "old.fbx", [make_mesh_node(ball.vertices, ball.faces)], 6100))


def test_a_body_at_another_level_keeps_its_pose_and_reskins() -> None:
    model, parameters = SyntheticMhr(), random_parameters(4)
    vertices = model.vertices(parameters, np.zeros(45))
    posed, rest = model.pose(parameters), model.pose(reset_pose(parameters))
    shift = np.array([0.0, 0.0, 3.0])
    rig = build_rig(model.joint_names, model.parents, model.mesh, posed, rest, vertices, shift)
    body = BodyEstimate(
        rig=rig,
        vertices=vertices @ CAMERA_FROM_MHR + shift,
        joints=pose_rig(rig)[1],
        keypoint_names=(),
        keypoints_2d=np.zeros((0, 2)),
        keypoints_3d=np.zeros((0, 3)),
        keypoint_visibility=np.zeros(0),
        parameters={},
        camera=Camera.assumed(100, 100),
        box=(0, 0, 100, 100),
        scale_source="prior",
        confidence=1.0,
        reprojection_error=0.0,
    )
    mesh = load_lod_map(5).skin(model.mesh, np.zeros((0, 3), np.int64), len(model.parents))
    lower = convert_lod(body, 5, mesh)
    assert lower.vertices.shape == (COUNTS[5], 3) and lower.rig.rest_vertices.shape == (COUNTS[5], 3)
    np.testing.assert_allclose(lower.vertices, load_lod_map(5).apply(body.vertices, rig.faces), atol=1e-12)
    np.testing.assert_allclose(skin_rig(lower.rig), lower.vertices, atol=1e-5)
    np.testing.assert_array_equal(lower.rig.rotations, rig.rotations)
