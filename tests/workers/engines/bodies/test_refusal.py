"""Who gets no body: the confidence decides, and whoever contradicts the landmarks has little of it."""

import numpy as np
import pytest

from tests.support.standing_people import CAMERA, Stand, observe_stand, stand_person, tilt_camera
from tests.support.synthetic_bodies import load_skinner
from workers.engines.bodies.default import MIN_CONFIDENCE, WILD_MISFIT
from workers.engines.bodies.estimates import LOW_CONFIDENCE, estimate_body, rate_fit
from workers.engines.bodies.fit import BodyFit
from workers.engines.bodies.hypotheses import Resolution


def rate(misfit: float) -> tuple[float, set[str]]:
    """Confidence and flags of a person who is seen well, whose landmarks contradict each other so much."""
    stand, tilt = Stand(stature=1.7), tilt_camera(10.0)
    person = observe_stand(stand, 1.5, tilt, np.random.default_rng(0))
    state = stand_person(stand, 1.5, tilt)
    posed = load_skinner().kinematics.pose(state)
    fit = BodyFit(state, posed, CAMERA.project(posed.landmarks), 0.005, 1.0, misfit, 1)
    resolution = Resolution(fit=fit, ambiguous=())
    body = estimate_body(person, fit, load_skinner(), resolution)
    assert body.confidence == rate_fit(person, fit, resolution)
    return body.confidence, set(body.flags)


def test_landmarks_that_agree_are_trusted() -> None:
    confidence, flags = rate(0.8)
    assert confidence > LOW_CONFIDENCE and "low_confidence" not in flags


@pytest.mark.parametrize("misfit", [2.4, 2.6])
def test_a_contradiction_alone_refuses_nobody_but_is_flagged(misfit: float) -> None:
    confidence, flags = rate(misfit)
    assert misfit < WILD_MISFIT and confidence > MIN_CONFIDENCE and "low_confidence" in flags


def test_who_is_not_worth_resolving_would_be_refused() -> None:
    assert rate(WILD_MISFIT)[0] < MIN_CONFIDENCE
