"""Fits against bodies whose truth is known."""

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.support.random_bodies import CAMERA, draw_body, mpjpe, pa_mpjpe
from workers.engines.bodies.fit import UNSEEN_PRIOR, BodyFit
from workers.engines.bodies.kinematics import Kinematics
from workers.engines.bodies.observations import observe
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.rotations import log_map
from workers.engines.bodies.silhouette import SilhouetteFit
from workers.engines.bodies.skeleton import load_skeleton

PEOPLE = 40
ARM = ("elbow", "wrist", "pinky", "index", "thumb")


@pytest.fixture(scope="module")
def fit() -> BodyFit:
    return BodyFit(Kinematics(load_skeleton()))


def errors(
    fit: BodyFit, trust: float, image: float = 0.0, world: float = 0.0, *, plain: bool = False
) -> tuple[float, float]:
    """Mean MPJPE and PA-MPJPE in mm over the same people; `plain` ones are neutral adults."""
    rng, found = np.random.default_rng(7), []
    for _ in range(PEOPLE):
        truth = draw_body(fit.kinematics, rng, image_noise=image, world_noise=world, plain=plain)
        out = fit.solve(truth.seen, height=fit.height(truth.seen, trust))
        found.append(
            (mpjpe(out.posed.joints, truth.posed.joints), pa_mpjpe(out.posed.joints, truth.posed.joints))
        )
    a, b = np.mean(found, axis=0)
    return float(a), float(b)


def test_exact_landmarks_with_metres_observed(fit: BodyFit) -> None:
    mean, aligned = errors(fit, trust=1.0)
    assert mean <= 15.0
    assert aligned <= 10.0


def test_exact_landmarks_with_scale_from_the_prior(fit: BodyFit) -> None:
    mean, aligned = errors(fit, trust=0.0, plain=True)
    assert mean <= 30.0
    assert aligned <= 12.0
    # nothing tells the size of a child, but its proportions are found
    assert errors(fit, trust=0.0)[1] <= 14.0


def test_proportions_tell_of_sex_and_youth(fit: BodyFit) -> None:
    rng, true, found = np.random.default_rng(5), [], []
    for _ in range(PEOPLE):
        truth = draw_body(fit.kinematics, rng)
        out = fit.solve(truth.seen, height=fit.height(truth.seen, 1.0))
        true.append(truth.state.shape[2:])
        found.append(out.state.shape[2:])
    for one, other in zip(np.transpose(true), np.transpose(found), strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.5


def test_noise_makes_it_worse_gracefully(fit: BodyFit) -> None:
    exact = errors(fit, trust=1.0)[1]
    slight = errors(fit, trust=1.0, image=0.005, world=0.015)[1]
    usual = errors(fit, trust=1.0, image=0.01, world=0.03)[1]
    assert exact < slight < usual < 45.0


def test_same_input_same_output(fit: BodyFit) -> None:
    truth = draw_body(fit.kinematics, np.random.default_rng(1), image_noise=0.01, world_noise=0.03)
    a, b = fit.solve(truth.seen), fit.solve(truth.seen)
    assert (a.posed.joints == b.posed.joints).all()
    assert a.cost == b.cost


def test_unseen_arms_stay_relaxed(fit: BodyFit) -> None:
    """Wrong guesses for landmarks that are not visible must not bend what is not seen."""
    rng = np.random.default_rng(2)
    skeleton = fit.kinematics.skeleton
    arm = [13, 15, 17, 19, 21]
    for _ in range(5):
        truth = draw_body(fit.kinematics, rng)
        confidence, pixels, world = np.ones(33), truth.seen.pixels.copy(), truth.seen.world @ truth.seen.view
        confidence[arm] = 0.04
        pixels[arm] += 80 * rng.normal(size=(5, 2))
        world[arm] += 0.3 * rng.normal(size=(5, 3))
        out = fit.solve(observe(pixels, confidence, world, CAMERA))
        for name in ("upperarm01_L", "lowerarm01_L", "lowerarm02_L", "wrist_L"):
            m = skeleton.index(name)
            angles = skeleton.frames[m] @ log_map(out.state.rotations[m])
            assert np.abs(angles - skeleton.relaxed[m]).max() < np.radians(3), name


def test_an_arm_that_is_not_seen_holds_its_angle_against_a_mask(fit: BodyFit) -> None:
    truth = draw_body(fit.kinematics, np.random.default_rng(3))
    seen, names = truth.seen, fit.kinematics.skeleton.model.landmark_names
    arm = [n for n, name in enumerate(names) if name.startswith("left_") and name[5:] in ARM]
    hidden = seen.confidence.copy()
    hidden[arm] = 0.0
    elbow = 3 * (fit.kinematics.skeleton.index("lowerarm01_L") - 1)
    other = 3 * (fit.kinematics.skeleton.index("lowerarm01_R") - 1)
    plain, _ = fit._angles(truth.state, seen)
    held, jacobian = fit._angles(truth.state, replace(seen, confidence=hidden))
    np.testing.assert_allclose(held[elbow : elbow + 3], (1 + UNSEEN_PRIOR) * plain[elbow : elbow + 3])
    np.testing.assert_allclose(held[other : other + 3], plain[other : other + 3])
    moved = truth.state.moved(1e-6 * np.eye(fit.kinematics.size)[elbow + 3])
    slope = (fit._angles(moved, replace(seen, confidence=hidden))[0] - held) / 1e-6
    np.testing.assert_allclose(slope, jacobian[:, elbow + 3], atol=1e-3)


def test_joints_stay_within_their_limits(fit: BodyFit) -> None:
    rng, skeleton = np.random.default_rng(4), fit.kinematics.skeleton
    for _ in range(10):
        truth = draw_body(fit.kinematics, rng, image_noise=0.02, world_noise=0.08)
        out = fit.solve(truth.seen)
        angles = np.einsum("mab,mb->ma", skeleton.frames[1:], log_map(out.state.rotations[1:]))
        over = np.maximum(angles - skeleton.high[1:], skeleton.low[1:] - angles)
        assert over.max() < np.radians(15)


def test_a_mask_draws_the_outline(fit: BodyFit) -> None:
    """A heavy person's mask makes the fitted body heavier, and the landmarks stay explained."""
    import cv2

    skinner = Skinner(fit.kinematics)
    silhouette = SilhouetteFit(fit, skinner)
    truth = draw_body(fit.kinematics, np.random.default_rng(11))
    heavy = replace(truth.state, shape=np.array([truth.state.shape[0], 3.0, *truth.state.shape[2:]]))
    pixels = CAMERA.project(skinner.vertices(heavy))
    mask = np.zeros((CAMERA.height, CAMERA.width), np.uint8)
    for face in skinner.rig(heavy).faces:
        cv2.fillConvexPoly(mask, np.round(pixels[face]).astype(np.int32), 1)
    before = fit.solve(truth.seen)
    after = silhouette.refine(before, truth.seen, mask.astype(bool))
    assert after.state.shape[1] > before.state.shape[1] + 1.0
    assert after.error < 0.02
    empty = np.zeros((CAMERA.height, CAMERA.width), dtype=bool)
    assert silhouette.refine(before, truth.seen, empty) is before


def test_a_fit_is_fast(fit: BodyFit) -> None:
    """150 ms a person is the aim; the bound here leaves room for a busy machine."""
    rng = np.random.default_rng(5)
    people = [draw_body(fit.kinematics, rng, image_noise=0.01, world_noise=0.03) for _ in range(10)]
    began = time.perf_counter()
    for truth in people:
        fit.solve(truth.seen)
    assert (time.perf_counter() - began) / len(people) < 0.3
