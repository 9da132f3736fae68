"""Fits against bodies whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.random_bodies import CAMERA, draw_body, mpjpe, pa_mpjpe
from workers.engines.bodies.fit import BodyFitter, FitPrior
from workers.engines.bodies.kinematics import Kinematics
from workers.engines.bodies.observations import observe
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.rotations import log_map
from workers.engines.bodies.silhouette import SilhouetteFitter
from workers.engines.bodies.skeleton import load_skeleton

pytestmark = pytest.mark.slow

PEOPLE = 40


@pytest.fixture(scope="module")
def fitter() -> BodyFitter:
    return BodyFitter(Kinematics(load_skeleton()))


def errors(
    fitter: BodyFitter,
    trust: float,
    image: float = 0.0,
    world: float = 0.0,
    *,
    plain: bool = False,
    everyday: bool = False,
) -> tuple[float, float]:
    """Mean MPJPE and PA-MPJPE in mm over the same people; `plain` ones are neutral adults."""
    rng, actual = np.random.default_rng(7), []
    for _ in range(PEOPLE):
        truth = draw_body(
            fitter.kinematics, rng, image_noise=image, world_noise=world, plain=plain, everyday=everyday
        )
        out = fitter.solve(truth.observed, prior=FitPrior(size=fitter.height(truth.observed, trust)))
        actual.append(
            (mpjpe(out.posed.joints, truth.posed.joints), pa_mpjpe(out.posed.joints, truth.posed.joints))
        )
    a, b = np.mean(actual, axis=0)
    return float(a), float(b)


def test_exact_landmarks_with_metres_observed(fitter: BodyFitter) -> None:
    """What the prior over poses costs where nothing needs it; with noise it gains more than that."""
    mean, aligned = errors(fitter, trust=1.0, everyday=True)
    assert mean <= 22.0
    assert aligned <= 16.0
    assert errors(fitter, trust=1.0)[1] <= 20.0


def test_exact_landmarks_with_scale_from_the_prior(fitter: BodyFitter) -> None:
    mean, aligned = errors(fitter, trust=0.0, plain=True, everyday=True)
    assert mean <= 30.0
    assert aligned <= 14.0
    # nothing states the size of a child, but its proportions are recovered
    assert errors(fitter, trust=0.0)[1] <= 20.0


def test_proportions_depend_on_sex_and_youth(fitter: BodyFitter) -> None:
    rng, true, actual = np.random.default_rng(5), [], []
    for _ in range(PEOPLE):
        truth = draw_body(fitter.kinematics, rng)
        out = fitter.solve(truth.observed, prior=FitPrior(size=fitter.height(truth.observed, 1.0)))
        true.append(truth.state.shape[2:])
        actual.append(out.state.shape[2:])
    for one, other in zip(np.transpose(true), np.transpose(actual), strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.5


def test_errors_grow_with_the_noise_of_the_landmarks(fitter: BodyFitter) -> None:
    exact = errors(fitter, trust=1.0)[1]
    slight = errors(fitter, trust=1.0, image=0.005, world=0.015)[1]
    usual = errors(fitter, trust=1.0, image=0.01, world=0.03)[1]
    assert exact < slight < usual < 35.0


def test_same_input_same_output(fitter: BodyFitter) -> None:
    truth = draw_body(fitter.kinematics, np.random.default_rng(1), image_noise=0.01, world_noise=0.03)
    a, b = fitter.solve(truth.observed), fitter.solve(truth.observed)
    assert (a.posed.joints == b.posed.joints).all()
    assert a.cost == b.cost


def test_a_fit_ends_as_soon_as_its_cost_is_enough(fitter: BodyFitter) -> None:
    truth = draw_body(fitter.kinematics, np.random.default_rng(1), image_noise=0.01, world_noise=0.03)
    start, best = fitter.solve(truth.observed, max_steps=0), fitter.solve(truth.observed)
    enough = 0.5 * (start.cost + best.cost)
    early = fitter.solve(truth.observed, enough=enough)
    assert best.cost < early.cost <= enough < start.cost
    assert 0 < early.steps < best.steps
    # no better than it is asked for, no step; better than there is, the best
    assert fitter.solve(truth.observed, enough=start.cost).steps == 0
    assert fitter.solve(truth.observed, enough=0.5 * best.cost).cost == best.cost


def test_what_is_not_seen_follows_the_prior_alone(fitter: BodyFitter) -> None:
    """Wrong guesses for landmarks that are not visible must not bend what is not observed."""
    rng = np.random.default_rng(2)
    skeleton = fitter.kinematics.skeleton
    arm = [13, 15, 17, 19, 21]
    truth = draw_body(fitter.kinematics, rng)
    found = []
    for _ in range(2):
        confidence, pixels = np.ones(33), truth.observed.pixels.copy()
        world = truth.observed.world @ truth.observed.view
        confidence[arm] = 0.04
        pixels[arm] += 80 * rng.normal(size=(5, 2))
        world[arm] += 0.3 * rng.normal(size=(5, 3))
        found.append(fitter.solve(observe(pixels, confidence, world, CAMERA)))
    np.testing.assert_allclose(found[0].posed.joints, found[1].posed.joints, atol=0.02)
    m = skeleton.index("lowerarm01_L")
    assert skeleton.low[m, 1] < (skeleton.frames[m] @ log_map(found[0].state.rotations[m]))[1]


def test_joints_stay_within_their_limits(fitter: BodyFitter) -> None:
    rng, skeleton = np.random.default_rng(4), fitter.kinematics.skeleton
    for _ in range(10):
        truth = draw_body(fitter.kinematics, rng, image_noise=0.02, world_noise=0.08)
        out = fitter.solve(truth.observed)
        angles = np.einsum("mab,mb->ma", skeleton.frames[1:], log_map(out.state.rotations[1:]))
        over = np.maximum(angles - skeleton.high[1:], skeleton.low[1:] - angles)
        assert over.max() < np.radians(15)


def test_a_mask_draws_the_outline(fitter: BodyFitter) -> None:
    """A heavy person's mask makes the fitted body heavier, and the landmarks stay explained."""
    import cv2

    skinner = Skinner(fitter.kinematics)
    silhouette = SilhouetteFitter(fitter, skinner)
    truth = draw_body(fitter.kinematics, np.random.default_rng(11))
    heavy = replace(truth.state, shape=np.array([truth.state.shape[0], 3.0, *truth.state.shape[2:]]))
    pixels = CAMERA.project(skinner.vertices(heavy))
    mask = np.zeros((CAMERA.height, CAMERA.width), np.uint8)
    for face in skinner.rig(heavy).faces:
        cv2.fillConvexPoly(mask, np.round(pixels[face]).astype(np.int32), 1)
    before = fitter.solve(truth.observed)
    after = silhouette.refine(before, truth.observed, mask.astype(bool))
    assert after.state.shape[1] > before.state.shape[1] + 1.0
    assert after.error < 0.02
    empty = np.zeros((CAMERA.height, CAMERA.width), dtype=bool)
    assert silhouette.refine(before, truth.observed, empty) is before
