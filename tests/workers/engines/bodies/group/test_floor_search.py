"""The search for gravity and the floor, on cues whose truth is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.standing_people import tilt_camera
from workers.engines.bodies.group.cues import PersonCue
from workers.engines.bodies.group.floor_search import find_floor
from workers.engines.bodies.group.head_size import UNSEEN, HeadInMask
from workers.engines.bodies.group.stature_prior import (
    ADULT_SIGNS,
    LOG_STATURES,
    SIGNS_PER_METRE,
    tabulate_stature_density,
)

SEEN_AS = 1.7


def make_cue(
    stature: float, x: float, z: float, *, pitch: float = 10.0, roll: float = 0.0, above: float = 0.0
) -> PersonCue:
    """A person under a camera 1.5 m high, as a fit sees it that takes everybody for 1.70 m."""
    tilt = tilt_camera(pitch, roll)
    soles = np.array([[x - 0.1, 1.5 - above, z], [x + 0.1, 1.5 - above, z]]) @ tilt.T
    shorter = max(1.69 - stature, 0.0)
    middle = tilt @ np.array([x, 1.5 - above - stature / 2, z])
    return PersonCue(
        soles=soles * SEEN_AS / stature,
        stature=SEEN_AS,
        axis=-tilt[:, 1],
        axis_weight=1.0,
        view=middle / np.linalg.norm(middle),
        face_weight=1.0,
        **sign(ADULT_SIGNS + SIGNS_PER_METRE * shorter),
    )


def sign(signs: np.ndarray) -> dict[str, Any]:
    """The fields of a cue whose face and head are as given."""
    face, size, crown, neck = (float(value) for value in signs)
    return {"face": face, "head": HeadInMask(size=size, crown=crown, neck=neck, weight=1.0)}


def hide_head(cue: PersonCue) -> PersonCue:
    return replace(cue, face_weight=0.0, head=UNSEEN)


def degrees_between(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1.0, 1.0))))


@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (10.0, -4.0), (30.0, 3.0), (-8.0, 0.0)])
def test_the_attitude_is_found(pitch: float, roll: float) -> None:
    cues = [
        make_cue(size, x, z, pitch=pitch, roll=roll)
        for size, x, z in ((1.7, -1.0, 4.0), (1.75, 0.5, 5.5), (1.1, 0.2, 4.5), (1.62, 1.2, 7.0))
    ]
    floor = find_floor(cues)
    assert degrees_between(floor.up, -tilt_camera(pitch, roll)[:, 1]) < 2.0
    assert floor.offset == pytest.approx(1.5, rel=0.1) and all(floor.grounded)
    assert floor.scales[2] * SEEN_AS == pytest.approx(1.1, rel=0.12)


def test_an_image_upside_down_has_its_floor_above() -> None:
    turn = np.diag([-1.0, -1.0, 1.0])
    cues = [make_cue(1.7, -1.0, 4.0), make_cue(1.65, 0.5, 5.0), make_cue(1.75, 1.0, 6.0)]
    cues = [replace(cue, soles=cue.soles @ turn, axis=turn @ cue.axis, view=turn @ cue.view) for cue in cues]
    floor = find_floor(cues)
    assert degrees_between(floor.up, turn @ -tilt_camera(10.0)[:, 1]) < 3.0 and all(floor.grounded)


def test_one_handstand_does_not_turn_the_image() -> None:
    cue = make_cue(1.7, 0.0, 4.0)
    assert find_floor([replace(cue, axis=-cue.axis)]).up[1] < -0.8


def test_who_lies_says_nothing_of_gravity() -> None:
    cues = [make_cue(1.7, -1.0, 4.0), make_cue(1.65, 0.5, 5.0), make_cue(1.75, 1.0, 6.0)]
    lying = replace(cues[0], axis=np.array([1.0, 0.0, 0.0]), soles=np.zeros((0, 3)))
    floor = find_floor([*cues, lying])
    assert degrees_between(floor.up, -tilt_camera(10.0)[:, 1]) < 3.0 and floor.grounded[3] is None


def test_without_feet_there_is_no_floor() -> None:
    cue = replace(make_cue(1.7, 0.0, 4.0), soles=np.zeros((0, 3)))
    floor = find_floor([cue, cue])
    assert floor.offset is None and floor.grounded == (None, None)


@pytest.mark.parametrize("size", [1.0, 1.2, 1.7])
def test_without_feet_the_head_shows_the_age(size: float) -> None:
    cue = replace(make_cue(size, 0.0, 4.0), soles=np.zeros((0, 3)))
    floor, hidden = find_floor([cue]), find_floor([hide_head(cue)])
    (heights,), (unknown,) = floor.ranges, hidden.ranges
    assert heights[0] < size < heights[1]
    assert floor.scales[0] * SEEN_AS == pytest.approx(size, rel=0.12)
    # whose head is hidden may be of any age
    assert unknown[0] < 1.2 and unknown[1] > 1.75


@pytest.mark.parametrize("size", [0.95, 1.15, 1.7])
def test_a_child_alone_is_a_child(size: float) -> None:
    floor = find_floor([make_cue(size, 0.0, 4.0)])
    (heights,) = floor.ranges
    assert heights[0] < size < heights[1]
    assert floor.scales[0] * SEEN_AS == pytest.approx(size, rel=0.12)


def test_feet_above_the_camera_stand_on_no_floor() -> None:
    cues = [make_cue(1.7, -1.0, 4.0), make_cue(1.65, 0.5, 5.0), make_cue(1.7, 0.0, 4.0, above=2.5)]
    assert find_floor(cues).grounded == (True, True, False)


def test_nobody_has_no_floor() -> None:
    assert find_floor([]).offset is None


def test_half_as_tall_on_the_same_floor_is_a_child() -> None:
    """Whatever their faces say: nobody can read them."""
    cues = [hide_head(make_cue(size, x, 4.5)) for size, x in ((1.72, -0.6), (0.95, 0.5))]
    floor = find_floor(cues)
    small, tall = floor.scales[1] * SEEN_AS, floor.scales[0] * SEEN_AS
    assert small < 1.15 and tall > 1.5 and all(floor.grounded)


def test_a_class_is_of_one_age() -> None:
    cues = [make_cue(1.2 + 0.02 * k, 0.5 * k - 1.0, 4.0 + 0.3 * k) for k in range(5)]
    floor = find_floor(cues)
    assert np.all(np.abs(floor.scales * SEEN_AS - 1.24) < 0.2)


def test_densities_know_heights_and_faces() -> None:
    cue = make_cue(1.0, 0.0, 4.0)
    child = np.exp(LOG_STATURES[tabulate_stature_density(cue).argmax()])
    adult = np.exp(LOG_STATURES[tabulate_stature_density(replace(cue, **sign(ADULT_SIGNS))).argmax()])
    known = np.exp(LOG_STATURES[tabulate_stature_density(replace(cue, known=1.31)).argmax()])
    assert child < 1.5 < adult and known == pytest.approx(1.31, rel=0.01)


def weigh_child(cue: PersonCue) -> float:
    """The probability that a person is under 1.40 m, before any floor."""
    density = tabulate_stature_density(cue)
    return float(density[np.exp(LOG_STATURES) < 1.40].sum() / density.sum())


@pytest.mark.parametrize("sign_of_child", ["face", "size", "crown"])
def test_each_sign_of_a_head_shows_a_child(sign_of_child: str) -> None:
    child = sign(ADULT_SIGNS + 0.5 * SIGNS_PER_METRE)
    adult = replace(hide_head(make_cue(1.7, 0.0, 4.0)), **sign(ADULT_SIGNS), face_weight=1.0)
    if sign_of_child == "face":
        young = replace(adult, face=child["face"])
    else:
        young = replace(
            adult, head=replace(adult.head, **{sign_of_child: getattr(child["head"], sign_of_child)})
        )
    unseen = replace(adult, face_weight=0.0, head=UNSEEN)
    assert weigh_child(unseen) == pytest.approx(0.20, abs=0.02)
    assert 1.3 * weigh_child(adult) < weigh_child(young) and weigh_child(adult) < 0.05
    assert weigh_child(replace(young, **child)) > 0.65


def test_a_head_that_is_large_because_its_ears_lie_low_counts_less() -> None:
    cue = replace(make_cue(1.7, 0.0, 4.0), face_weight=0.0)
    large, low_ears = (
        replace(cue, **sign(ADULT_SIGNS + np.array([0.0, 0.2, 0.2, neck]))) for neck in (0.0, -0.12)
    )
    assert weigh_child(low_ears) < 0.6 * weigh_child(large)


def test_a_head_does_not_say_whether_the_feet_are_on_the_floor() -> None:
    standing = [make_cue(size, x, z) for size, x, z in ((1.7, -1.0, 4.0), (1.75, 0.5, 5.5), (1.62, 1.2, 7.0))]
    for above, is_on_floor in ((0.0, True), (0.75, False)):
        person = make_cue(1.7, 0.0, 4.5, above=above)
        odd = replace(person, **sign(ADULT_SIGNS + np.array([-0.25, -0.25, -0.2, 0.0])))
        for cue in (person, odd, hide_head(person)):
            assert find_floor([*standing, cue]).grounded[-1] is is_on_floor
