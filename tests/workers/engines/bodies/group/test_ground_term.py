"""The floor as residuals: standing feet are level across, those in the air are free, slopes are exact."""

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.engines.bodies.group.ground_term import GroundTerm
from workers.engines.bodies.kinematics import BodyState, Kinematics
from workers.engines.bodies.rotations import exp_map
from workers.engines.bodies.skeleton import load_skeleton

UP = np.array([0.0, 1.0, 0.0])
KINEMATICS = Kinematics(load_skeleton())
LOW = float(KINEMATICS.skeleton.model.base.vertices[:, 1].min())


def pose(foot: tuple[float, float, float], lift: float = 0.0) -> BodyState:
    """A body at rest on the floor y = 0, or above it; its left foot is turned by degrees about x, y, z."""
    count = len(KINEMATICS.skeleton.joints)
    angles = np.zeros((count, 3))
    angles[KINEMATICS.skeleton.index("foot_L")] = np.radians(foot)
    return BodyState(exp_map(angles), np.array([0.0, lift - LOW, 0.0]) + root(), np.zeros(4))


def root() -> NDArray[np.float64]:
    """Where the root is at rest."""
    rotations = np.tile(np.eye(3), (len(KINEMATICS.skeleton.joints), 1, 1))
    at_zero = KINEMATICS.pose(BodyState(rotations, np.zeros(3), np.zeros(4)))
    rest = KINEMATICS.skeleton.model.base.landmarks
    offset: NDArray[np.float64] = (rest - at_zero.landmarks).mean(axis=0)
    return offset


def rate(state: BodyState) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    return GroundTerm(KINEMATICS, UP, 0.0, straightness=0.0)(state, KINEMATICS.pose(state))


def rate_edge(degrees: float, pitch: float = 0.0, lift: float = 0.0) -> float:
    """By how much it costs more to stand on the edge of the foot."""
    turned = exp_map(np.radians([[pitch, 0.0, 0.0]]))[0] @ exp_map(np.radians([[0.0, 0.0, degrees]]))[0]
    state = pose((pitch, 0.0, 0.0), lift)
    rolled = state.rotations.copy()
    rolled[KINEMATICS.skeleton.index("foot_L")] = turned
    return rate(BodyState(rolled, state.translation, state.shape))[2] - rate(state)[2]


@pytest.mark.parametrize("degrees", [-25.0, -10.0, 10.0, 25.0])
def test_a_foot_on_the_floor_does_not_stand_on_its_edge(degrees: float) -> None:
    assert rate_edge(degrees) > 1.0
    assert rate_edge(degrees, lift=0.25) < 0.2


@pytest.mark.parametrize("pitch", [-20.0, 20.0])
def test_heels_and_toes_may_leave_the_floor_alone(pitch: float) -> None:
    def tilt(state: BodyState) -> float:
        return float(np.abs(rate(state)[0][4:6]).max())

    assert tilt(pose((pitch, 0.0, 0.0))) < 1.0 < tilt(pose((pitch, 0.0, 20.0)))


def test_slopes_of_residuals_are_those_of_differences() -> None:
    """Of the tilt of both feet on the floor; the loss and the contact count as constant in a step."""
    state = pose((0.0, 5.0, 2.0))
    residual, jacobian, _ = rate(state)
    step = np.zeros(jacobian.shape[1])
    for joint in ("foot_L", "lowerleg01_L", "upperleg01_R"):
        column = 3 * KINEMATICS.skeleton.index(joint) + 2
        step[:] = 0.0
        step[column] = 1e-5
        change = (rate(state.update(step))[0] - rate(state.update(-step))[0])[4:6] / 2e-5
        np.testing.assert_allclose(jacobian[4:6, column], change, rtol=0.05, atol=0.05)
    assert np.isfinite(residual).all()
