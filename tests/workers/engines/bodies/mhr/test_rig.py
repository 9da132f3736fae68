"""A rig made of an MHR pose holds exactly that pose, and turns like a body."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.support.synthetic_mhr import SyntheticMhr, random_parameters
from workers.engines.bodies.mhr.layout import CAMERA_FROM_MHR, reset_pose
from workers.engines.bodies.mhr.model import SkinnedMesh, keep_strongest
from workers.engines.bodies.mhr.rig import build_rig, unskin
from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.bodies.rotations import from_quaternions
from workers.engines.protocols import Rig


@pytest.fixture(scope="module")
def model() -> SyntheticMhr:
    return SyntheticMhr()


def make_rig(model: SyntheticMhr, seed: int) -> tuple[Rig, np.ndarray, np.ndarray, np.ndarray]:
    parameters = random_parameters(seed)
    vertices = model.vertices(parameters, np.full(45, 0.5))
    shift = np.array([0.3, -0.2, 4.0])
    posed, rest = model.pose(parameters), model.pose(reset_pose(parameters))
    rig = build_rig(model.joint_names, model.parents, model.mesh, posed, rest, vertices, shift)
    return rig, vertices @ CAMERA_FROM_MHR + shift, posed.joints @ CAMERA_FROM_MHR + shift, posed.rotations


@pytest.mark.parametrize("seed", range(4))
def test_the_rig_reproduces_joints_and_vertices(model: SyntheticMhr, seed: int) -> None:
    rig, vertices, joints, _ = make_rig(model, seed)
    np.testing.assert_allclose(pose_rig(rig)[1], joints, atol=1e-9)
    np.testing.assert_allclose(skin_rig(rig), vertices, atol=1e-6)


def test_global_rotations_are_the_turns_from_rest(model: SyntheticMhr) -> None:
    rig, _, _, rotations = make_rig(model, 1)
    rest = model.pose(reset_pose(random_parameters(1))).rotations
    expected = CAMERA_FROM_MHR @ rotations @ rest.transpose(0, 2, 1)
    np.testing.assert_allclose(pose_rig(rig)[0], expected, atol=1e-9)


def test_an_upright_person_carries_half_a_turn_about_x(model: SyntheticMhr) -> None:
    still = np.zeros(204)
    rest = model.pose(still)
    vertices = model.vertices(still, np.zeros(45))
    rig = build_rig(model.joint_names, model.parents, model.mesh, rest, rest, vertices, np.zeros(3))
    np.testing.assert_allclose(from_quaternions(rig.rotations[0]), np.diag([1, -1, -1]), atol=1e-12)
    np.testing.assert_allclose(rig.rotations[1:, 0], 1, atol=1e-12)
    np.testing.assert_allclose(rig.rest_vertices, vertices, atol=1e-9)
    np.testing.assert_allclose(rig.rest_joints, rest.joints, atol=1e-12)


def test_bones_keep_their_length(model: SyntheticMhr) -> None:
    rig, _, joints, _ = make_rig(model, 2)
    ends = np.flatnonzero(rig.parents >= 0)
    starts = rig.parents[ends]
    at_rest_lengths = np.linalg.norm(rig.rest_joints[ends] - rig.rest_joints[starts], axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(joints[ends] - joints[starts], axis=1), at_rest_lengths, atol=1e-9
    )


def test_opposite_turns_that_cancel_leave_a_sane_vertex() -> None:
    mesh = SkinnedMesh(
        np.zeros((0, 3), dtype=np.int64),
        np.array([[0, 1, 0, 0]], dtype=np.int64),
        np.array([[0.5, 0.5, 0.0, 0.0]]),
    )
    turned = np.stack([np.eye(3), Rotation.from_rotvec([np.pi, 0, 0]).as_matrix()])
    joints = np.zeros((2, 3))
    rest = unskin(np.array([[0.1, 0.2, 0.3]]), mesh, turned, joints, joints)
    assert np.abs(rest).max() < 0.5


def test_the_four_strongest_joints_carry_all_of_a_vertex() -> None:
    dense = np.array([[0.1, 0.0, 0.3, 0.2, 0.25, 0.15], [0, 0, 2.0, 0, 0, 0]])
    joints, weights = keep_strongest(dense)
    assert joints[0].tolist() == [2, 4, 3, 5]
    np.testing.assert_allclose(weights[0], np.array([0.3, 0.25, 0.2, 0.15]) / 0.9)
    assert joints[1].tolist() == [2, 2, 2, 2] and weights[1].tolist() == [1, 0, 0, 0]
    with pytest.raises(ValueError, match=r"1 vertices"):
        keep_strongest(np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 0, 0, 0]]))
