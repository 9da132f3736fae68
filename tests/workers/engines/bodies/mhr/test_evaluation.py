"""MHR through `body-models`, on a made-up TorchScript of MHR's layout, against kinematics written out here.

Skipped where torch (to write the file) and body-models (to read it) are absent; neither is needed to run the
product's other engines.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("body_models", reason="body-models evaluates MHR; it comes with the extra sam3d-body")
pytest.importorskip("torch", reason="torch writes the TorchScript that this test reads")

from tests.support.mhr_files import Holder, save_model, write_correctives
from workers.engines.bodies.mhr.assets import MhrCorrupt
from workers.engines.bodies.mhr.evaluation import BodyModelsMhr
from workers.engines.bodies.mhr.layout import JOINTS, VERTICES, reset_pose
from workers.engines.bodies.mhr.rig import build_rig
from workers.engines.bodies.rig import pose_rig, skin_rig

# what MHR is published as, and what torch writes no other way
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


def make_transform(random: np.random.Generator) -> np.ndarray:
    """A parameter transform: translations, rotations and scales of joints, each by a parameter of its own."""
    transform = np.zeros((JOINTS * 7, 204 + 45), dtype=np.float32)
    for k in range(3):
        transform[0 * 7 + k, k] = 10.0
        transform[1 * 7 + 3 + k, 3 + k] = 1.0
    for k in range(130):
        transform[int(random.integers(2, JOINTS)) * 7 + 3 + k % 3, 6 + k] = 1.0
    for k in range(68):
        transform[int(random.integers(2, JOINTS)) * 7 + 6, 136 + k] = 1.0
    return transform


def make_skinning(random: np.random.Generator, vertices: int) -> tuple[Holder, np.ndarray]:
    """Four joints per vertex: MHR's flat tables in a random order, and the dense weights (V, J)."""
    weights = random.dirichlet([5, 2, 1, 1], vertices).astype(np.float32).ravel()
    riders = np.concatenate([random.choice(JOINTS, 4, replace=False) for _ in range(vertices)])
    order = random.permutation(4 * vertices)
    owners = np.repeat(np.arange(vertices), 4)
    bind = np.zeros((JOINTS, 8), dtype=np.float32)
    bind[:, 6] = bind[:, 7] = 1
    skinning = Holder(
        {},
        vert_indices_flattened=owners[order],
        skin_indices_flattened=riders.astype(np.int64)[order],
        skin_weights_flattened=weights[order],
        inverse_bind_pose=bind,
    )
    dense = np.zeros((vertices, JOINTS))
    dense[owners, riders] = weights
    return skinning, dense


def write_model(folder: Path, vertices: int = VERTICES) -> dict[str, np.ndarray]:
    """Assets of a made-up MHR; gives its tables. Units in the file are centimetres, as in MHR."""
    random = np.random.default_rng(11)
    parents = np.array([-1, *(int(random.integers(max(0, j - 5), j)) for j in range(1, JOINTS))])
    offsets = random.normal(0, 8, (JOINTS, 3)).astype(np.float32)
    before = Rotation.random(JOINTS, random_state=1)
    transform = make_transform(random)
    skinning, dense = make_skinning(random, vertices)
    skeleton = Holder(
        {},
        joint_parents=parents.astype(np.int64),
        joint_names=[f"made_up_{j}" for j in range(JOINTS)],
        joint_translation_offsets=offsets,
        joint_prerotations=before.as_quat().astype(np.float32),
    )
    base = random.normal(0, 50, (vertices, 3)).astype(np.float32)
    faces = (np.arange(36874)[:, None] % (vertices - 2) + [0, 1, 2]).astype(np.int64)
    save_model(folder, skeleton, skinning, transform, base, faces)
    write_correctives(folder, vertices)
    return {
        "parents": parents,
        "offsets": offsets.astype(np.float64),
        "before": before.as_matrix(),
        "transform": transform.astype(np.float64),
        "dense": dense,
        "faces": faces,
    }


def by_hand(tables: dict[str, np.ndarray], parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Global rotations and positions in metres: scale 2^s, pre-rotation, then Rz Ry Rx, joint by joint."""
    stated = (tables["transform"][:, :204] @ parameters).reshape(JOINTS, 7)
    rotations, places, scales = np.empty((JOINTS, 3, 3)), np.empty((JOINTS, 3)), np.empty(JOINTS)
    for j, p in enumerate(tables["parents"]):
        local = tables["before"][j] @ Rotation.from_euler("xyz", stated[j, 3:6]).as_matrix()
        offset = tables["offsets"][j] + stated[j, :3]
        if p < 0:
            rotations[j], places[j], scales[j] = local, offset, 2.0 ** stated[j, 6]
        else:
            rotations[j] = rotations[p] @ local
            places[j] = places[p] + scales[p] * rotations[p] @ offset
            scales[j] = scales[p] * 2.0 ** stated[j, 6]
    return rotations, places / 100


@pytest.fixture(scope="module")
def models_and_tables(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[BodyModelsMhr, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("mhr")
    tables = write_model(folder)
    return BodyModelsMhr(folder), tables


@pytest.mark.parametrize("seed", range(3))
def test_the_skeleton_is_that_of_the_tables(
    models_and_tables: tuple[BodyModelsMhr, dict[str, np.ndarray]], seed: int
) -> None:
    model, tables = models_and_tables
    random = np.random.default_rng(seed)
    parameters = np.concatenate([random.normal(0, 0.5, 136), random.normal(0, 0.1, 68)])
    rotations, places = by_hand(tables, parameters)
    skeleton = model.pose(parameters)
    np.testing.assert_allclose(skeleton.rotations, rotations, atol=2e-5)
    np.testing.assert_allclose(skeleton.joints, places, atol=2e-5)


def test_names_parents_skin_and_faces(models_and_tables: tuple[BodyModelsMhr, dict[str, np.ndarray]]) -> None:
    model, tables = models_and_tables
    assert model.joint_names[5] == "made_up_5"
    np.testing.assert_array_equal(model.parents, tables["parents"])
    np.testing.assert_array_equal(model.mesh.faces, tables["faces"])
    back = np.zeros_like(tables["dense"])
    np.add.at(back, (np.arange(VERTICES)[:, None], model.mesh.skin_joints), model.mesh.skin_weights)
    np.testing.assert_allclose(back, tables["dense"], atol=1e-6)


def test_a_rig_of_it_holds_its_joints(models_and_tables: tuple[BodyModelsMhr, dict[str, np.ndarray]]) -> None:
    model, _ = models_and_tables
    random = np.random.default_rng(5)
    parameters = np.concatenate([random.normal(0, 0.3, 136), random.normal(0, 0.1, 68)])
    posed, rest = model.pose(parameters), model.pose(reset_pose(parameters))
    strongest = model.mesh.skin_joints[:, 0]
    vertices = posed.joints[strongest] + random.normal(0, 0.05, (VERTICES, 3))
    rig = build_rig(
        model.joint_names, model.parents, model.mesh, posed, rest, vertices, np.array([0, 0, 3.0])
    )
    expected = posed.joints * [1, -1, -1] + [0, 0, 3]
    np.testing.assert_allclose(pose_rig(rig)[1], expected, atol=1e-9)
    assert np.median(np.linalg.norm(skin_rig(rig) - (vertices * [1, -1, -1] + [0, 0, 3]), axis=1)) < 1e-6


def test_a_model_of_another_size_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, 500)
    with pytest.raises(MhrCorrupt, match=r"500 vertices"):
        BodyModelsMhr(tmp_path)
    (tmp_path / "mhr_model.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(MhrCorrupt, match=r"cannot be read"):
        BodyModelsMhr(tmp_path)
