"""People of one image solved together: the floor, gravity and sizes against the truth."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.standing_people import Stand, observe_stand, tilt_camera
from workers.engines.bodies.default import DefaultBodies
from workers.engines.bodies.estimates import estimate_body
from workers.engines.bodies.group.place import place_people
from workers.engines.bodies.group.solve import GroupedPerson, GroupSolution
from workers.engines.protocols import BodyEstimate, Gravity, SceneHints

# A class: an adult and children.
GROUP = (
    Stand(stature=1.72, x=-1.2, z=4.2, turn=0.3),
    Stand(stature=1.20, x=-0.4, z=3.9),
    Stand(stature=1.24, x=0.4, z=4.8, turn=-0.5),
    Stand(stature=1.15, x=1.1, z=5.6, turn=0.4),
)


@pytest.fixture(scope="module")
def engine() -> DefaultBodies:
    return DefaultBodies(threads=1)


def recover(
    engine: DefaultBodies,
    stands: Sequence[Stand],
    *,
    pitch: float = 12.0,
    height: float = 1.6,
    hints: SceneHints | None = None,
) -> list[BodyEstimate]:
    rng = np.random.default_rng(3)
    tilt = tilt_camera(pitch)
    bodies = engine.recover_observed([observe_stand(stand, height, tilt, rng) for stand in stands], hints)
    assert all(body is not None for body in bodies)
    return [body for body in bodies if body is not None]


def stature(body: BodyEstimate) -> float:
    return float(np.ptp(body.rig.rest_vertices[:, 1]))


def lowest(body: BodyEstimate) -> float:
    """Height in metres of the body's lowest point above the floor."""
    assert body.floor is not None
    return float(body.floor.height(body.vertices).min())


def measure_pitch(body: BodyEstimate) -> float:
    assert body.gravity is not None
    return float(np.degrees(np.arcsin(body.gravity.direction[2])))


def given(pitch: float) -> Gravity:
    x, y, z = (float(value) for value in tilt_camera(pitch)[:, 1])
    return Gravity(direction=(x, y, z), source="given")


def test_a_group_stands_on_one_floor(engine: DefaultBodies) -> None:
    bodies = recover(engine, GROUP)
    assert len({id(body.floor) for body in bodies}) == 1 and bodies[0].floor is not None
    assert bodies[0].floor.people == len(GROUP)
    assert measure_pitch(bodies[0]) == pytest.approx(12.0, abs=2.0)
    for stand, body in zip(GROUP, bodies, strict=True):
        assert body.grounded and abs(lowest(body)) < 0.03
        assert body.height_range is not None
        assert body.height_range[0] < stand.stature < body.height_range[1]
    # children come out as children
    assert stature(bodies[0]) > 1.55 and max(stature(body) for body in bodies[1:]) < 1.4
    assert bodies[0].gravity is not None and bodies[0].gravity.source == "people"


def test_one_known_height_sets_the_scale_of_all(engine: DefaultBodies) -> None:
    hints = SceneHints(heights=(None, 1.20, None, None))
    bodies = recover(engine, GROUP, hints=hints)
    assert stature(bodies[1]) == pytest.approx(1.20, abs=1e-6)
    for stand, body in zip(GROUP, bodies, strict=True):
        assert stature(body) == pytest.approx(stand.stature, rel=0.09)
        assert body.scale_source == "metric"
        assert "scale_from_group" in body.flags and "scale_not_metric" not in body.flags
        assert abs(lowest(body)) < 0.03
    assert bodies[0].floor is not None and bodies[0].floor.offset == pytest.approx(1.6, rel=0.1)


def test_who_jumps_is_not_forced_down(engine: DefaultBodies) -> None:
    stands = [*GROUP[:3], Stand(stature=1.75, x=1.0, z=4.5, above=0.55)]
    hints = SceneHints(gravity=given(12.0))
    bodies = recover(engine, stands, hints=hints)
    assert [body.grounded for body in bodies] == [True, True, True, False]
    assert "not_grounded" in bodies[3].flags and stature(bodies[3]) < 1.95
    assert bodies[0].floor is not None and bodies[0].floor.people == 3
    assert lowest(bodies[3]) > 0.2


@pytest.mark.parametrize(
    ("stand", "uncertain"),
    [
        (Stand(stature=1.7, thighs=85, knees=85), True),
        (Stand(stature=1.7, thighs=80, knees=70, toes=25, above=0.2), True),
        (Stand(stature=1.7, thighs=30, knees=90, toes=30, above=0.4), True),
        (Stand(stature=1.7, thighs=25, knees=45), False),
    ],
    ids=["sits", "sits with dangling feet", "leaps", "bends the knees"],
)
def test_whose_legs_carry_nobody_is_not_said_to_stand(
    engine: DefaultBodies, stand: Stand, uncertain: bool
) -> None:
    (body,) = recover(engine, [stand])
    assert ("ground_uncertain" in body.flags) == uncertain
    assert body.grounded is (None if uncertain else True)
    assert (body.floor is None) == uncertain


def test_the_floor_of_others_stays_under_somebody_who_sits(engine: DefaultBodies) -> None:
    bodies = recover(engine, [*GROUP[:3], Stand(stature=1.7, x=1.0, z=4.5, thighs=85, knees=85)])
    assert [body.grounded for body in bodies] == [True, True, True, None]
    assert bodies[3].floor is not None and bodies[3].floor.people == 3


def test_feet_that_point_down_count_only_where_nobody_else_shows_the_floor(engine: DefaultBodies) -> None:
    leaper = Stand(stature=1.7, x=1.0, z=4.5, thighs=30, knees=90, toes=30)
    bodies = recover(engine, [*GROUP[:3], leaper])
    assert all(body.grounded for body in bodies)


@pytest.mark.parametrize("pitch", [-5.0, 25.0])
def test_known_gravity_is_kept(engine: DefaultBodies, pitch: float) -> None:
    height = 1.6 if pitch > 0 else 0.8
    bodies = recover(engine, GROUP[:2], pitch=pitch, height=height, hints=SceneHints(gravity=given(pitch)))
    assert bodies[0].gravity == given(pitch)
    assert all(body.grounded and abs(lowest(body)) < 0.03 for body in bodies)


@pytest.mark.parametrize("size", [1.70, 1.10])
def test_one_person_stands_on_its_own_floor(engine: DefaultBodies, size: float) -> None:
    (body,) = recover(engine, [Stand(stature=size)])
    assert body.grounded and body.floor is not None and body.floor.feet == 2
    assert abs(lowest(body)) < 0.01
    assert stature(body) == pytest.approx(size, rel=0.12)


@pytest.mark.parametrize(
    ("heights", "uncertain"), [((0.8, 1.3), False), ((1.0, 1.8), True), ((1.4, 1.9), False)]
)
def test_who_may_be_a_child_or_an_adult_is_flagged(
    heights: tuple[float, float], uncertain: bool, engine: DefaultBodies
) -> None:
    person = observe_stand(Stand(stature=1.7), 1.6, tilt_camera(12.0), np.random.default_rng(0))
    fit = engine._fit(person)
    assert fit is not None
    body = estimate_body(person, fit.fit, engine._skinner, fit)
    member = GroupedPerson(fit=fit.fit, scale=1.0, grounded=True, height_range=heights)
    group = GroupSolution(up=np.array([0.0, -1.0, 0.0]), offset=1.6, people=(member,))
    (placed,) = place_people([body], group, [None], None)
    assert ("age_uncertain" in placed.flags) == uncertain and placed.height_range == heights


def test_nobody(engine: DefaultBodies) -> None:
    assert engine.recover_observed([]) == []
    assert engine.recover_observed([None, None]) == [None, None]
