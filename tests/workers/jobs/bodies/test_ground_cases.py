"""Videos in which feet do not simply stand on a floor: each comes out grounded, null or flagged."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.contract import BodiesJob

from tests.support.walking import (
    GLIDES,
    JUMPS,
    MOONWALKS,
    RUNS,
    SHUFFLES,
    STANDS,
    WALKS,
    Gait,
    KnownWalk,
    list_steps,
    make_known_walk,
    measure_slide,
    pose_soles,
)
from workers.engines.bodies.rotations import exp_map, quaternions
from workers.jobs.bodies.gap_filling import OPEN
from workers.jobs.bodies.ground.planted_motion import SeenMotion, find_floor, plant_motion
from workers.jobs.bodies.ground.video_ground import describe_ground, find_ground, has_uncertain_contacts
from workers.jobs.bodies.motion import BodyMotion, build_motion

SLID_CM = 1.0
# radians from straight towards the camera, by the seed
HEADINGS = (0.7, 1.1, 0.2, 1.57)
# somebody who skips is in the air for two thirds of the time
SKIPS = replace(JUMPS, cycle=0.6, stance=0.34)
UNEVEN = np.cumsum(np.random.default_rng(3).choice([1 / 60, 1 / 30, 1 / 12], 30))


def draw(
    gait: Gait,
    degrees: float = 3.0,
    rate: float = 15.0,
    seed: int = 0,
    lasts: float = 2.0,
    heading: float | None = None,
) -> KnownWalk:
    heading = HEADINGS[seed % 4] if heading is None else heading
    return make_known_walk(
        round(lasts * rate),
        rate,
        gait=gait,
        noise=np.radians(degrees),
        distance_noise=0.03,
        drift=0.02,
        heading=heading,
        seed=seed,
    )


def see(walk: KnownWalk) -> SeenMotion:
    motion = build_motion(walk.rig, walk.estimates, walk.seconds)
    return SeenMotion(motion, np.ones((len(motion.frames), 2), dtype=np.bool_))


def plant(walk: KnownWalk) -> tuple[SeenMotion, BodyMotion]:
    person = see(walk)
    return person, plant_motion(person, find_floor([person], walk.ground.up), None)


def count_silent(walk: KnownWalk, motion: BodyMotion) -> int:
    """Steps that slide though every contact in them is known."""
    soles = pose_soles(motion)
    return sum(
        measure_slide(soles, step) > SLID_CM
        and bool(np.isfinite(motion.foot_contact[step.frames, step.point // 2]).all())
        for step in list_steps(walk)
    )


@pytest.mark.parametrize(
    ("gait", "degrees", "seed"),
    [(STANDS, 5, 2), (MOONWALKS, 3, 2), (SHUFFLES, 5, 4), (SKIPS, 3, 1)],
)
def test_no_foot_slides_in_silence(gait: Gait, degrees: float, seed: int) -> None:
    walk = draw(gait, degrees, seed=seed)
    person, planted = plant(walk)
    assert planted.grounded and len(list_steps(walk)) > 1
    assert count_silent(walk, planted) == 0
    assert has_uncertain_contacts(person, planted) == bool(np.isnan(planted.foot_contact).any())


@pytest.mark.parametrize("seed", [12, 16])
def test_noise_makes_no_step_of_somebody_who_stands(seed: int) -> None:
    # feet that were 9 cm apart in 0.2 s of noise were taken for a step, of 22 cm
    walk = draw(STANDS, 5, seed=seed, lasts=3.0)
    _, planted = plant(walk)
    assert not (planted.foot_contact == 0).any() and np.nanmean(planted.foot_contact) == 1
    assert max(measure_slide(pose_soles(planted), step) for step in list_steps(walk)) < SLID_CM


@pytest.mark.parametrize(
    ("gait", "degrees", "rate", "seed"),
    # two frames part it from the next; it is at the beginning of the track; its last frames are in doubt
    [(WALKS, 3, 10, 22), (RUNS, 1, 30, 21), (WALKS, 5, 30, 22)],
)
def test_no_step_slides(gait: Gait, degrees: float, rate: float, seed: int) -> None:
    walk = draw(gait, degrees, rate, seed, lasts=3.0, heading=1.57 if gait is RUNS else None)
    _, planted = plant(walk)
    assert max(measure_slide(pose_soles(planted), step) for step in list_steps(walk)) < SLID_CM + 0.2
    assert np.isfinite(planted.foot_contact).mean() > 0.95


def test_uneven_frames_slide_no_more() -> None:
    walk = make_known_walk(seconds=UNEVEN, gait=STANDS, noise=np.radians(4.0), drift=0.02, seed=5)
    _, planted = plant(walk)
    assert count_silent(walk, planted) == 0 and np.nanmean(planted.foot_contact) > 0.9


def test_people_who_all_skip_at_once_do_not_lift_the_floor() -> None:
    walks = [draw(SKIPS, seed=seed) for seed in (1, 2)]
    people = [see(walk) for walk in walks]
    floor = find_floor(people, walks[0].ground.up)
    assert floor.height == pytest.approx(walks[0].ground.height, abs=0.05)
    for walk, person in zip(walks, people, strict=True):
        planted = plant_motion(person, floor, None)
        assert planted.grounded
        # the middle of a flight is no contact
        high = (walk.soles @ floor.up).min(axis=1) - walk.ground.height > 0.12
        assert high.any() and not (planted.foot_contact[high] == 1).any()


@pytest.mark.parametrize("rate", [15, 30])
def test_who_jumps_alone_leaves_the_floor_over_time(rate: float) -> None:
    walk = draw(JUMPS, 3, rate, seed=1)
    _, planted = plant(walk)
    assert planted.grounded
    above = (walk.soles @ walk.ground.up).min(axis=1) - walk.ground.height
    high, stands = above > 0.2, above < 0.001
    assert high.any() and (planted.foot_contact[above > 0.1] == 0).all()
    lowest = (pose_soles(planted) @ walk.ground.up).min(axis=1) - walk.ground.height
    np.testing.assert_allclose(lowest[high], above[high], atol=0.1)
    assert (planted.foot_contact[stands] == 1).mean() > 0.9 and np.abs(lowest[stands]).max() < 0.05


def test_on_a_treadmill_feet_are_not_pinned() -> None:
    walk = draw(WALKS, 1)
    belt = WALKS.speed * walk.seconds[:, None] * _find_heading(walk)
    walk = replace(
        walk,
        positions=walk.positions - belt,
        soles=walk.soles - belt[:, None],
        estimates=replace(walk.estimates, positions=walk.estimates.positions - belt),
    )
    person, planted = plant(walk)
    assert planted.grounded and not (planted.foot_contact == 1).mean() > 0.1
    assert has_uncertain_contacts(person, planted)
    ranges = [np.ptp(soles, axis=0) for soles in (pose_soles(planted), walk.soles)]
    np.testing.assert_allclose(*ranges, atol=0.25)


@pytest.mark.parametrize("gait", [GLIDES, STANDS])
def test_who_is_carried_does_not_stand_on_the_floor(gait: Gait) -> None:
    walk = draw(gait, 1)
    # on skates, or in somebody's arms, who walks
    lifted = 0.5 * walk.ground.up if gait is STANDS else np.zeros(3)
    carried = replace(walk.estimates, positions=walk.estimates.positions + lifted)
    person = see(replace(walk, estimates=carried))
    planted = plant_motion(person, walk.ground, None)
    assert planted.grounded is (gait is GLIDES)
    if gait is GLIDES:
        # but at the ends of the track, where a foot may have come to rest
        assert (planted.foot_contact == 1).mean() < 0.1


def test_who_sits_with_dangling_feet_is_not_on_the_floor_of_the_others() -> None:
    walks = [draw(STANDS, 1, seed=seed) for seed in (1, 2, 3)]
    up = walks[0].ground.up
    raised = replace(walks[0].estimates, positions=walks[0].estimates.positions + 0.35 * up)
    people = [see(replace(walks[0], estimates=raised)), *(see(walk) for walk in walks[1:])]
    floor = find_floor(people, up)
    assert floor.height == pytest.approx(walks[1].ground.height, abs=0.04)
    assert [plant_motion(person, floor, None).grounded for person in people] == [False, True, True]


def sit_down(walk: KnownWalk) -> KnownWalk:
    """The same person on a seat, with level thighs."""
    rotations = walk.estimates.rotations.copy()
    for name, degrees in (("upperleg01", -85.0), ("lowerleg01", 85.0)):
        for side in "LR":
            bend = quaternions(exp_map(np.array([np.radians(degrees), 0.0, 0.0])))
            rotations[:, walk.rig.joint_names.index(f"{name}_{side}")] = bend
    return replace(walk, estimates=replace(walk.estimates, rotations=rotations))


def test_who_sits_alone_is_not_said_to_be_on_the_floor() -> None:
    walk = sit_down(draw(STANDS, 1, seed=1))
    person, planted = plant(walk)
    assert planted.sits and planted.grounded is None and not (planted.foot_contact == 1).any()
    ground = find_floor([person], walk.ground.up)
    assert "floor" not in describe_ground(BodiesJob(video={"url": "https://a.org/a.mp4"}), ground, [planted])


def test_who_sits_does_not_move_the_floor_of_those_who_stand() -> None:
    stands, sits = draw(STANDS, 1, seed=2), sit_down(draw(STANDS, 1, seed=1, lasts=4.0))
    floor = find_floor([see(sits), see(stands)], stands.ground.up)
    assert floor.height == pytest.approx(stands.ground.height, abs=0.05)
    assert plant_motion(see(stands), floor, None).grounded


def test_a_camera_that_moves_without_poses_leaves_the_ground_unknown() -> None:
    walk = draw(WALKS)
    person = see(walk)
    request = BodiesJob.model_validate({"video": {"id": "0" * 64}})
    assert find_ground(request, [person], np.tile(-walk.ground.up, (9, 1)), still=False) is None
    assert person.motion.grounded is None and np.isnan(person.motion.foot_contact).all()


def test_a_long_gap_is_unknown_and_each_side_stands() -> None:
    walk = draw(STANDS, 2, rate=20.0)
    rows = np.r_[0:12, 28:40]
    fields = ("frames", "rotations", "positions", "rest_joints", "confidence", "errors", "gravity")
    kept = {name: getattr(walk.estimates, name)[rows] for name in fields}
    parts = replace(walk.estimates, **kept, samples=np.array([0, len(rows) - 1]))
    motion = build_motion(walk.rig, parts, walk.seconds)
    person = SeenMotion(motion, np.ones((len(motion.frames), 2), dtype=np.bool_))
    planted = plant_motion(person, find_floor([person], walk.ground.up), None)
    gap = motion.state == OPEN
    assert gap[12:28].all() and len(motion.spans) == 2
    contacts = planted.foot_contact[~gap]
    assert np.isnan(planted.foot_contact[gap]).all()
    assert np.isfinite(contacts).mean() > 0.8 and not (contacts == 0).any()
    soles = pose_soles(planted)
    for span in planted.spans:
        for side, foot in enumerate((soles[:, :2], soles[:, 2:])):
            stands = foot[span][planted.foot_contact[span, side] == 1]
            assert np.ptp(stands, axis=0).max() < 0.01


def _find_heading(walk: KnownWalk) -> np.ndarray:
    way = walk.positions[-1] - walk.positions[0]
    way = way - (way @ walk.ground.up) * walk.ground.up
    return np.asarray(way / np.linalg.norm(way))
