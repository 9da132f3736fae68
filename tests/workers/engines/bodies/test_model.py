"""The compact body model: skinning, hierarchy, rotations, and every Jacobian against finite differences."""

import numpy as np
import pytest

from workers.engines.bodies.anny import load_anny, pose_joints, skin_vertices
from workers.engines.bodies.fit import BodyFitter, FitPrior
from workers.engines.bodies.kinematics import BodyState, Kinematics
from workers.engines.bodies.observations import observe
from workers.engines.bodies.rig import Skinner, pose_rig, skin_rig
from workers.engines.bodies.rotations import (
    exp_map,
    from_quaternions,
    kabsch,
    log_map,
    orthonormalise,
    quaternions,
    right_jacobian_inverse,
    swing,
)
from workers.engines.bodies.silhouette import MaskDistanceField, SilhouetteTerm, find_outline
from workers.engines.bodies.skeleton import load_skeleton
from workers.geometry.cameras import Camera

CAMERA = Camera(1280, 960, 1100.0, 1100.0, 640.0, 480.0)


@pytest.fixture(scope="module")
def kinematics() -> Kinematics:
    return Kinematics(load_skeleton())


def some_state(kinematics: Kinematics, spread: float = 0.4) -> BodyState:
    rng = np.random.default_rng(3)
    rotations = exp_map(rng.normal(size=(len(kinematics.skeleton.joints), 3)) * spread)
    rotations[0] = np.diag([1.0, -1.0, -1.0]) @ rotations[0]
    return BodyState(rotations, np.array([0.1, 0.2, 4.0]), np.array([0.4, -0.6, 0.5, -0.3]))


def test_rest_pose_skins_to_the_rest_mesh() -> None:
    model = load_anny()
    rest = model.rest(model.coefficients({"height": 1.0, "heavy": 0.5}))
    still = np.broadcast_to(np.eye(3), (len(model.parents), 3, 3)).copy()
    turned, placed = pose_joints(model.parents, rest.joints, still, rest.joints[0])
    assert np.abs(placed - rest.joints).max() < 1e-12
    vertices = skin_vertices(
        rest.vertices, rest.joints, model.skin_joints, model.skin_weights, turned, placed
    )
    assert np.abs(vertices - rest.vertices).max() < 1e-12


def test_the_model_is_complete() -> None:
    model = load_anny()
    assert model.parents[0] == -1
    assert (model.parents[1:] >= 0).all()
    assert (model.parents < np.arange(len(model.parents))).all()
    assert len(set(model.joint_names)) == len(model.joint_names) == len(model.base.joints)
    assert len(model.landmark_names) == len(model.base.landmarks) == 33
    assert np.abs(model.skin_weights.sum(axis=1) - 1).max() < 1e-12
    assert model.faces.max() == len(model.base.vertices) - 1
    assert 1.69 < np.ptp(model.base.vertices[:, 1]) < 1.71
    taller = model.rest(model.coefficients({"height": 1.0}))
    assert 0.08 < np.ptp(taller.vertices[:, 1]) - np.ptp(model.base.vertices[:, 1]) < 0.12
    # Left is +x, the face looks along +z.
    left = model.base.joints[model.joint_names.index("upperarm01_L")]
    assert left[0] > 0.1
    assert model.base.landmarks[0, 2] > model.base.landmarks[7, 2]
    with pytest.raises(KeyError):
        model.coefficients({"smpl": 1.0})


def test_a_turned_joint_carries_its_children_only() -> None:
    model = load_anny()
    rotations = np.broadcast_to(np.eye(3), (len(model.parents), 3, 3)).copy()
    elbow = model.joint_names.index("lowerarm01_L")
    rotations[elbow] = exp_map(np.array([0.0, 0.9, 0.3]))
    _, placed = pose_joints(model.parents, model.base.joints, rotations, model.base.joints[0])
    moved = np.linalg.norm(placed - model.base.joints, axis=1) > 1e-9
    below = np.zeros(len(model.parents), dtype=bool)
    for j in range(elbow + 1, len(model.parents)):
        below[j] = model.parents[j] == elbow or below[model.parents[j]]
    assert (moved == below).all()
    bones = np.linalg.norm(placed[1:] - placed[model.parents[1:]], axis=1)
    rest = np.linalg.norm(model.base.joints[1:] - model.base.joints[model.parents[1:]], axis=1)
    assert np.abs(bones - rest).max() < 1e-12


def test_rotations_agree_with_each_other() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 3))
    vectors *= (rng.random((200, 1)) * 3.1) / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0.0
    vectors[1] = (np.pi - 1e-7, 0, 0)
    matrices = exp_map(vectors)
    assert np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12
    assert np.abs(log_map(matrices) - vectors).max() < 1e-6
    assert np.abs(from_quaternions(quaternions(matrices)) - matrices).max() < 1e-12
    step = 1e-6
    near = vectors[np.linalg.norm(vectors, axis=1) < 3.0]
    numeric = np.stack(
        [
            (
                log_map(exp_map(near) @ exp_map(step * np.eye(3)[i]))
                - log_map(exp_map(near) @ exp_map(-step * np.eye(3)[i]))
            )
            / (2 * step)
            for i in range(3)
        ],
        axis=-1,
    )
    assert np.abs(numeric - right_jacobian_inverse(near)).max() < 1e-5


def test_rotations_are_read_alike_alone_and_beside_half_turns() -> None:
    vectors = 2.0 * np.random.default_rng(5).normal(size=(40, 3)) / 3
    vectors[0] = [0.0, 1e-9, 0.0]
    half = np.array([[np.pi - 1e-4, 0.0, 0.0]])
    alone, beside = log_map(exp_map(vectors)), log_map(exp_map(np.concatenate([vectors, half])))
    assert np.abs(alone - vectors).max() < 1e-9
    assert np.abs(beside - np.concatenate([vectors, half])).max() < 1e-9


def test_products_that_drift_become_rotations_again() -> None:
    drifted = exp_map(np.random.default_rng(2).normal(size=(9, 3))) + 1e-5
    near = orthonormalise(drifted)
    assert np.abs(near @ near.transpose(0, 2, 1) - np.eye(3)).max() < 1e-8
    assert np.abs(near - drifted).max() < 3e-5


def test_swing_and_kabsch() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 3))
    turned = swing(a, b) @ a
    assert np.abs(np.cross(turned, b)).max() < 1e-12
    assert turned @ b > 0
    assert np.abs(swing(a, -a) @ a + a).max() < 1e-9
    points, turn = rng.normal(size=(6, 3)), exp_map(rng.normal(size=3))
    assert np.abs(kabsch(points, points @ turn.T + 3.0, np.ones(6)) - turn).max() < 1e-12


def test_landmark_jacobian(kinematics: Kinematics) -> None:
    state, step = some_state(kinematics), 1e-6
    posed = kinematics.pose(state)
    numeric = np.zeros_like(posed.jacobian)
    for i in range(kinematics.size):
        move = np.zeros(kinematics.size)
        move[i] = step
        up, down = kinematics.pose(state.update(move)), kinematics.pose(state.update(-move))
        numeric[:, :, i] = (up.landmarks - down.landmarks) / (2 * step)
    assert np.abs(numeric - posed.jacobian).max() < 1e-7


def test_residual_jacobian(kinematics: Kinematics) -> None:
    """Of the directions and the shape; terms that reweight themselves are tested below and by the fits."""
    fitter, state, step = BodyFitter(kinematics), some_state(kinematics, 0.3), 1e-6
    posed = kinematics.pose(state)
    observed = observe(
        CAMERA.project(posed.landmarks), np.ones(33), posed.landmarks - state.translation, CAMERA
    )
    terms = {
        "directions": lambda s: fitter._directions(kinematics.pose(s), observed),
        "shape": lambda s: fitter._shape(s, observed, FitPrior(size=0.2, girth_spread=0.3, youth=0.4)),
    }
    for name, term in terms.items():
        jacobian = term(state)[1]
        for i in range(0, kinematics.size, 5):
            move = np.zeros(kinematics.size)
            move[i] = step
            numeric = (term(state.update(move))[0] - term(state.update(-move))[0]) / (2 * step)
            assert np.abs(numeric - jacobian[:, i]).max() < 1e-4, (name, i)


def test_robust_gradients(kinematics: Kinematics) -> None:
    """The gradient of a robust cost is 2 J^T r of its reweighted residuals."""
    fitter, state, step = BodyFitter(kinematics), some_state(kinematics, 0.3), 1e-6
    posed = kinematics.pose(state)
    rng = np.random.default_rng(0)
    pixels = CAMERA.project(posed.landmarks) + rng.normal(size=(33, 2)) * 20
    observed = observe(pixels, np.ones(33), posed.landmarks - state.translation, CAMERA)
    terms = {
        "image": lambda p: fitter._image(p, observed, 250.0),
    }
    for name, term in terms.items():
        residual, jacobian, _ = term(posed)
        gradient = 2 * jacobian.T @ residual
        for i in range(kinematics.size):
            move = np.zeros(kinematics.size)
            move[i] = step
            up, down = (term(kinematics.pose(state.update(m)))[2] for m in (move, -move))
            assert (up - down) / (2 * step) == pytest.approx(gradient[i], rel=1e-4, abs=1e-4), (name, i)


def test_rim_jacobian(kinematics: Kinematics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sideways moves of rim points change the residual as the Jacobian says (mask of smooth outline)."""
    import workers.engines.bodies.silhouette as module

    monkeypatch.setattr(module, "OUTLINE_REACH", 1e9)
    skinner, state = Skinner(kinematics), some_state(kinematics, 0.1)
    posed = kinematics.pose(state)
    y, x = np.mgrid[:960, :1280]
    mask = ((x - 660) / 200.0) ** 2 + ((y - 500) / 350.0) ** 2 < 1
    edge = MaskDistanceField.from_mask(mask)
    assert edge is not None
    observed = observe(
        CAMERA.project(posed.landmarks), np.ones(33), posed.landmarks - state.translation, CAMERA
    )
    chosen = find_outline(CAMERA.project(skinner.vertices(state)), edge)
    assert 50 < len(chosen) <= 240
    term = SilhouetteTerm(kinematics, skinner, chosen, edge, observed, skinner.vertices(state)[chosen, 2])
    residual, jacobian, cost = term(state, posed)
    assert cost == pytest.approx(float(residual @ residual))
    assert np.isfinite(residual).all()
    step = 1e-5
    for i in (0, 4, 3 * len(state.rotations), 3 * len(state.rotations) + 1, kinematics.size - 1):
        move = np.zeros(kinematics.size)
        move[i] = step
        up, down = state.update(move), state.update(-move)
        numeric = (term(up, kinematics.pose(up))[0] - term(down, kinematics.pose(down))[0]) / (2 * step)
        assert np.median(np.abs(numeric - jacobian[:, i])) < 1e-3 * max(1.0, np.abs(jacobian[:, i]).max()), i


def test_rig_reskins_to_the_fit(kinematics: Kinematics) -> None:
    state = some_state(kinematics)
    skinner = Skinner(kinematics)
    rig = skinner.rig(state)
    vertices = skin_rig(rig)
    assert np.abs(vertices - skinner.vertices(state)).max() < 1e-12
    _, joints = pose_rig(rig)
    assert np.abs(joints[kinematics.skeleton.joints] - kinematics.pose(state).joints).max() < 1e-9
    # The formula of the module's head, written out without its helpers for some vertices.
    turned, placed = pose_rig(rig)
    for v in range(0, len(vertices), 997):
        point = sum(
            w * (turned[j] @ (rig.rest_vertices[v] - rig.rest_joints[j]) + placed[j])
            for j, w in zip(rig.skin_joints[v], rig.skin_weights[v], strict=True)
        )
        assert np.abs(point - vertices[v]).max() < 1e-10
