"""The learned prior over poses, and the hypotheses that it decides between."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.bodies.held_out import draw_held_out_pose
from tests.support.random_bodies import CAMERA
from workers.engines.bodies.estimates import estimate_body
from workers.engines.bodies.fit import BodyFitter, FitPrior
from workers.engines.bodies.hypotheses import resolve_depth
from workers.engines.bodies.kinematics import BodyState, Kinematics
from workers.engines.bodies.observations import LandmarkObservation, observe
from workers.engines.bodies.people import PersonObservation
from workers.engines.bodies.pose_prior import load_pose_prior, to_features
from workers.engines.bodies.pose_terms import PoseTerms
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.rotations import exp_map
from workers.engines.bodies.skeleton import load_skeleton

Floats = NDArray[np.float64]
UP = np.array([0.0, -1.0, 0.0])
FACING = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def fitter() -> BodyFitter:
    return BodyFitter(Kinematics(load_skeleton()))


def stand(degrees: dict[str, tuple[float, float, float]]) -> BodyState:
    """Somebody who stands before the camera and faces it, some joints turned by degrees in their frames."""
    skeleton = load_skeleton()
    angles = skeleton.relaxed.copy()
    for name, triple in degrees.items():
        angles[skeleton.index(name)] = np.radians(triple)
    rotations = exp_map(np.einsum("mab,ma->mb", skeleton.frames, angles))
    rotations[0] = FACING
    return BodyState(rotations, np.array([0.0, 0.0, 3.5]), np.zeros(4))


def look(fitter: BodyFitter, state: BodyState, turned: tuple[int, ...], factor: float) -> LandmarkObservation:
    """Exact landmarks, but the depth of `turned` ones about the left shoulder multiplied by a factor."""
    points = fitter.kinematics.pose(state).landmarks
    about = points - points[[23, 24]].mean(axis=0)
    view = observe(CAMERA.project(points), np.ones(33), about, CAMERA).view
    world = about @ view
    chosen = list(turned)
    world[chosen, 2] = world[11, 2] + factor * (world[chosen, 2] - world[11, 2])
    return observe(CAMERA.project(points), np.ones(33), world, CAMERA)


def test_slopes_are_those_of_the_cost(fitter: BodyFitter) -> None:
    rng = np.random.default_rng(0)
    terms = PoseTerms(fitter.kinematics, load_pose_prior())
    rotations = exp_map(0.3 * rng.normal(size=(len(load_skeleton().joints), 3)))
    rotations[0] = FACING @ rotations[0]
    state = BodyState(rotations, np.zeros(3), np.zeros(4))
    residual, jacobian, _ = terms.evaluate(state, UP)
    for column in range(0, 66, 4):
        step = np.zeros(fitter.kinematics.size)
        step[column] = 1e-5
        ahead, behind = (terms.evaluate(state.update(sign * step), UP)[2] for sign in (1, -1))
        slope = (ahead - behind) / 2e-5
        assert slope == pytest.approx(2 * jacobian[:, column] @ residual, rel=1e-3, abs=1e-3)


def test_people_are_likelier_than_under_one_gaussian() -> None:
    """On poses that were held out, against the Gaussian of the mixture's own mean and covariance."""
    prior = load_pose_prior()
    rng, features = np.random.default_rng(3), []
    for _ in range(120):
        angles, _ = draw_held_out_pose(rng)
        features.append(to_features(exp_map(angles[0]).T[:, 1], angles[1:]))
    assert np.mean([prior.log_likelihood(x) for x in features]) > np.mean(
        [prior.as_one_gaussian().log_likelihood(x) for x in features]
    )


@pytest.mark.parametrize(
    "name", ["a knee to the front", "an elbow to the back", "a trunk that lies in the air"]
)
def test_impossible_poses_cost_more(fitter: BodyFitter, name: str) -> None:
    terms = PoseTerms(fitter.kinematics, load_pose_prior())
    wrong = {
        "a knee to the front": stand({"lowerleg01_L": (0, -40, 0)}),
        "an elbow to the back": stand({"lowerarm01_L": (0, -80, 0)}),
        "a trunk that lies in the air": replace(stand({}), rotations=_tip(stand({}).rotations, 80.0)),
    }[name]
    assert terms.evaluate(wrong, UP)[2] > terms.evaluate(stand({}), UP)[2] + 10.0


def _tip(rotations: Floats, degrees: float) -> Floats:
    out = rotations.copy()
    out[0] = out[0] @ exp_map(np.array([np.radians(degrees), 0.0, 0.0]))
    return out


def test_a_limb_mirrored_in_depth_is_turned_back(fitter: BodyFitter) -> None:
    """World points that put a bent forearm behind the body: the elbow would have to bend backwards."""
    truth = stand({"upperarm01_L": (0, 20, 24), "lowerarm01_L": (0, 75, 0)})
    observed = look(fitter, truth, (13, 15, 17, 19, 21), -1.0)
    prior = FitPrior()
    found = resolve_depth(fitter, fitter.solve(observed, prior=prior), observed, prior).fit
    wrist, shoulder = found.posed.landmarks[15], found.posed.landmarks[11]
    assert wrist[2] < shoulder[2] - 0.05


def test_an_arm_of_unknown_depth_is_ambiguous(fitter: BodyFitter) -> None:
    truth = stand({"upperarm01_L": (0, 35, -35), "lowerarm01_L": (0, -12, 0)})
    observed = look(fitter, truth, (13, 15, 17, 19, 21), 0.0)
    prior = FitPrior()
    found = resolve_depth(fitter, fitter.solve(observed, prior=prior), observed, prior)
    assert found.ambiguous == ("left_arm",)
    sure = look(fitter, truth, (), 1.0)
    assert resolve_depth(fitter, fitter.solve(sure, prior=prior), sure, prior).ambiguous == ()


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_ambiguous_lowers_the_confidence_and_is_flagged(fitter: BodyFitter, mirrored: bool) -> None:
    truth = stand({"upperarm01_L": (0, 35, -35), "lowerarm01_L": (0, -12, 0)})
    observed = look(fitter, truth, (13, 15, 17, 19, 21), 0.0 if mirrored else 1.0)
    resolution = resolve_depth(fitter, fitter.solve(observed), observed, FitPrior())
    mask = np.zeros((CAMERA.height, CAMERA.width), dtype=np.bool_)
    person = PersonObservation(landmarks=observed, box=(0.0, 0.0, 1.0, 1.0), mask=mask, score=1.0)
    body = estimate_body(person, resolution.fit, Skinner(fitter.kinematics), resolution)
    assert ("depth_ambiguous" in body.flags) == mirrored
    assert body.ambiguous_limbs == (("left_arm",) if mirrored else ())
    assert (body.confidence > 0.9) == (not mirrored)


def test_landmarks_that_contradict_each_other_are_flagged(fitter: BodyFitter) -> None:
    """World points of somebody else: the picture and its depth cannot both be right."""
    truth = stand({})
    points = fitter.kinematics.pose(truth).landmarks
    other = fitter.kinematics.pose(
        stand({"upperleg01_L": (0, -90, 0), "upperleg01_R": (0, -90, 0)})
    ).landmarks
    world = other[::-1] - other[[23, 24]].mean(axis=0)
    observed = observe(CAMERA.project(points), np.ones(33), world, CAMERA)
    resolution = resolve_depth(fitter, fitter.solve(observed), observed, FitPrior())
    mask = np.zeros((CAMERA.height, CAMERA.width), dtype=np.bool_)
    person = PersonObservation(landmarks=observed, box=(0.0, 0.0, 1.0, 1.0), mask=mask, score=1.0)
    body = estimate_body(person, resolution.fit, Skinner(fitter.kinematics), resolution)
    assert "low_confidence" in body.flags
