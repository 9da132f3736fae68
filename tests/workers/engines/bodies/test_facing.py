"""People whom the landmarks take for turned the other way: their feet on the floor decide."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from tests.support.random_bodies import draw_body
from tests.support.standing_people import CAMERA, Stand, observe_stand, tilt_camera
from workers.engines.bodies.blazepose import MIRROR
from workers.engines.bodies.default import DefaultBodies
from workers.engines.bodies.facing import turn_observation, turn_state
from workers.engines.bodies.kinematics import Kinematics
from workers.engines.bodies.observations import ANKLES, HEELS, TOES, observe
from workers.engines.bodies.people import PersonObservation
from workers.engines.bodies.skeleton import load_skeleton


@lru_cache(maxsize=1)
def load_engine() -> DefaultBodies:
    return DefaultBodies(threads=1)


def see(turn: float, seed: int) -> PersonObservation:
    stand = Stand(stature=1.7, turn=turn)
    return observe_stand(stand, 2.0, tilt_camera(20.0), np.random.default_rng(seed))


def misread(person: PersonObservation) -> PersonObservation:
    """What BlazePose says when it takes the front for the back: sides and depth are wrong, feet are right."""
    seen = person.landmarks
    world = (seen.world @ seen.view)[MIRROR]
    turned = world * (1.0, 1.0, -1.0)
    for ankle, heel, toes in zip(ANKLES, HEELS, TOES, strict=True):
        turned[[heel, toes]] = turned[ankle] + world[[heel, toes]] - world[ankle]
    return replace(
        person, landmarks=observe(seen.pixels[MIRROR], seen.confidence[MIRROR], turned, seen.camera)
    )


@pytest.mark.parametrize("turn", [0.6, 1.0, 2.2])
def test_who_is_taken_for_turned_is_ambiguous(turn: float) -> None:
    person = see(turn, 1)
    (right,) = load_engine().recover_observed([person])
    (wrong,) = load_engine().recover_observed([misread(person)])
    assert right is not None and "trunk" not in right.ambiguous_limbs
    assert "depth_ambiguous" not in right.flags
    assert wrong is not None and "trunk" in wrong.ambiguous_limbs and "depth_ambiguous" in wrong.flags


@pytest.mark.parametrize("turn", [0.0, np.pi])
def test_feet_that_point_backwards_make_no_body(turn: float) -> None:
    person = see(turn, 1)
    (right,) = load_engine().recover_observed([person])
    assert right is not None and "depth_ambiguous" not in right.flags
    assert load_engine().recover_observed([misread(person)]) == [None]


def test_a_turned_body_is_the_mirror_image_along_the_viewing_ray() -> None:
    kinematics = Kinematics(load_skeleton())
    truth = draw_body(kinematics, np.random.default_rng(4), plain=True)
    ray = truth.observed.view[:, 2]
    turned = kinematics.pose(turn_state(kinematics.skeleton, truth.state, truth.observed)).landmarks
    about = truth.posed.landmarks - truth.state.translation
    mirrored = truth.state.translation + about - 2 * np.outer(about @ ray, ray)
    # the model's sides differ by millimetres
    np.testing.assert_allclose(turned[MIRROR], mirrored, atol=0.01)
    np.testing.assert_allclose(CAMERA.project(turned[MIRROR]), CAMERA.project(truth.posed.landmarks), atol=60)


def test_an_observation_turned_twice_is_itself() -> None:
    seen = see(0.4, 2).landmarks
    once = turn_observation(seen)
    twice = turn_observation(once)
    for name in ("pixels", "confidence", "weights", "directions", "bone_weights", "lengths"):
        np.testing.assert_allclose(getattr(twice, name), getattr(seen, name), err_msg=name)
    np.testing.assert_allclose(twice.world, seen.world, atol=1e-12)
    # the shoulders' line still runs from right to left, as seen from the other side
    np.testing.assert_allclose(once.directions[0], -seen.directions[0] * (1.0, 1.0, -1.0))
