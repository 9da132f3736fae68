"""Feet on the floor of a video: drawn walks whose contacts are known, and cameras that move or do not."""

from functools import lru_cache

import numpy as np
import pytest
from maquette.contract import BodiesJob, BodiesResult

from tests.support.walking import (
    GLIDES,
    JUMPS,
    MOONWALKS,
    RUNS,
    STANDS,
    WALKS,
    Gait,
    KnownWalk,
    find_still,
    make_known_walk,
    measure_skating,
    pose_soles,
)
from workers.jobs.bodies.ground.legs import find_legs
from workers.jobs.bodies.ground.planted_motion import SeenMotion, find_floor, plant_motion
from workers.jobs.bodies.ground.posing import pose_frames
from workers.jobs.bodies.ground.still_camera import CameraWatch, find_moved, stands_still
from workers.jobs.bodies.ground.video_ground import count_steps, describe_ground, find_ground
from workers.jobs.bodies.motion import BodyMotion, build_motion
from workers.jobs.bodies.motion_record import list_world_arrays

RNG = np.random.default_rng(0)
TEXTURE = (255 * np.kron(RNG.random((40, 60, 3)), np.ones((12, 12, 1)))).astype(np.uint8)


@lru_cache(maxsize=4)
def make_noisy(gait: Gait = WALKS, rate: float = 15.0) -> tuple[KnownWalk, BodyMotion]:
    walk = make_known_walk(round(2.4 * rate), rate, gait=gait, noise=0.05, distance_noise=0.03, drift=0.02)
    return walk, build_motion(walk.rig, walk.estimates, walk.seconds)


def see_all(motion: BodyMotion) -> SeenMotion:
    return SeenMotion(motion, np.ones((len(motion.frames), 2), dtype=np.bool_))


def project(motion: BodyMotion) -> np.ndarray:
    joints = motion.joints()
    return 900 * joints[..., :2] / joints[..., 2:]


# every rate, uneven times too, every noise and every motion comes up in some row
@pytest.mark.parametrize(
    ("gait", "rate", "degrees"),
    [
        (WALKS, 30, 5),
        (WALKS, 10, 3),
        pytest.param(WALKS, 60, 3, marks=pytest.mark.slow),
        (RUNS, 15, 3),
        (JUMPS, 25, 1),
        (STANDS, 15, 5),
        (WALKS, 0, 3),
    ],
)
def test_feet_that_stand_do_not_slide(gait: Gait, rate: int, degrees: int) -> None:
    uneven = np.cumsum(np.random.default_rng(1).choice([1 / 30, 1 / 15, 1 / 10], 25))
    seconds = np.arange(round(1.2 * rate)) / rate if rate else uneven
    walk = make_known_walk(
        seconds=seconds,
        gait=gait,
        heading=1.3,
        noise=np.radians(degrees),
        distance_noise=0.03,
        drift=0.02,
        seed=4,
    )
    smooth = build_motion(walk.rig, walk.estimates, walk.seconds)
    planted = plant_motion(see_all(smooth), find_floor([see_all(smooth)], walk.ground.up), None)
    assert planted.grounded
    assert measure_skating(pose_soles(smooth), walk).max() > 5.0
    assert measure_skating(pose_soles(planted), walk).max() < 1.0
    known = np.isfinite(planted.foot_contact)
    assert ((planted.foot_contact > 0.5) == walk.contacts)[known].mean() > 0.8 and known.mean() > 0.8
    assert planted.jitter is not None and smooth.jitter is not None and planted.jitter < 1.1 * smooth.jitter
    # the picture still agrees
    true = walk.rotations, walk.positions
    joints = pose_frames(walk.rig, *true)[1]
    pixels = 900 * joints[..., :2] / joints[..., 2:]
    before, after = (np.linalg.norm(project(m) - pixels, axis=-1).mean() for m in (smooth, planted))
    assert after < 1.1 * before


@pytest.mark.parametrize(("gait", "share"), [(GLIDES, 0.35), (MOONWALKS, 0.25)])
def test_feet_that_move_over_the_floor_are_not_pinned(gait: Gait, share: float) -> None:
    walk, smooth = make_noisy(gait)
    planted = plant_motion(see_all(smooth), find_floor([see_all(smooth)], walk.ground.up), None)
    pinned = find_still(pose_soles(planted), walk.seconds) & ~find_still(walk.soles, walk.seconds)
    assert pinned.mean() < share
    moved = [np.linalg.norm(np.ptp(soles, axis=0), axis=1) for soles in (pose_soles(planted), walk.soles)]
    np.testing.assert_allclose(*moved, rtol=0.25, atol=0.1)


def test_standing_feet_are_on_the_floor_and_knees_bend_backwards() -> None:
    walk, smooth = make_noisy()
    ground = find_floor([see_all(smooth)], walk.ground.up)
    planted = plant_motion(see_all(smooth), ground, None)
    heights = pose_soles(planted) @ ground.up - ground.height
    stands = np.repeat(planted.foot_contact > 0.5, 2, axis=1)
    lowest = np.where(stands, heights, np.inf).reshape(-1, 2, 2).min(axis=2)
    assert np.abs(lowest[np.isfinite(lowest)]).max() < 0.01
    assert ground.height == pytest.approx(walk.ground.height, abs=0.04)
    turned, joints = pose_frames(planted.rig, planted.rotations, planted.positions)
    legs = find_legs(planted.rig)
    assert legs is not None
    assert min(float(leg.measure_bend(turned, joints).min()) for leg in legs) > -0.05


def test_a_foot_that_is_not_seen_is_unknown_and_not_planted() -> None:
    walk, smooth = make_noisy()
    feet = np.ones((len(smooth.frames), 2), dtype=np.bool_)
    feet[:15, 0] = False
    planted = plant_motion(SeenMotion(smooth, feet), walk.ground, None)
    assert np.isnan(planted.foot_contact[:15, 0]).all() and np.isfinite(planted.foot_contact[15:]).any()
    nobody = plant_motion(SeenMotion(smooth, np.zeros_like(feet)), walk.ground, None)
    assert nobody.grounded is None and np.isnan(nobody.foot_contact).all()
    np.testing.assert_array_equal(nobody.positions, smooth.positions)


def test_who_stands_on_a_bench_is_not_pulled_down() -> None:
    walk, smooth = make_noisy(STANDS)
    floor = find_floor([see_all(smooth)], walk.ground.up)
    lower = type(floor)(floor.up, floor.height - 0.4)
    planted = plant_motion(see_all(smooth), lower, None)
    assert planted.grounded is False
    assert np.median((pose_soles(planted) @ floor.up).min(axis=1)) == pytest.approx(floor.height, abs=0.03)


def test_planting_is_deterministic() -> None:
    walk, smooth = make_noisy()
    first, second = (plant_motion(see_all(smooth), walk.ground, None) for _ in range(2))
    assert first.rotations.tobytes() == second.rotations.tobytes()
    assert first.positions.tobytes() == second.positions.tobytes()


@pytest.mark.parametrize(("pixels_per_frame", "still"), [(0.0, True), (1.5, False)])
def test_a_camera_that_pans_is_distinguished_from_one_that_stands(
    pixels_per_frame: float, still: bool
) -> None:
    frames = []
    for k in range(12):
        frame = np.roll(TEXTURE, -round(pixels_per_frame * k), axis=1)[:, :640].copy()
        # somebody walks through the picture
        frame[100:400, 40 + 30 * k : 140 + 30 * k] = 40
        frames.append(frame)
    mask = np.zeros(frames[0].shape[:2], dtype=np.bool_)
    mask[100:400, 40:140] = True
    watch = CameraWatch.begin(frames[0], [mask])
    resumed = CameraWatch.load(watch.dump())
    shifts = np.array([watch.measure(frame) for frame in frames])
    assert stands_still(shifts) is still
    np.testing.assert_array_equal(shifts, [resumed.measure(frame) for frame in frames])


def test_a_blank_wall_does_not_show_whether_the_camera_stands() -> None:
    watch = CameraWatch.begin(np.full((240, 320, 3), 128, np.uint8), [])
    assert not stands_still(np.array([watch.measure(np.full((240, 320, 3), 128, np.uint8))]))
    assert not stands_still(np.zeros(0))


@pytest.mark.parametrize(
    ("shifted", "moved"),
    [
        (slice(0, 0), slice(0, 0)),
        # a fault of two frames, a hand that pushes the camera for half a second, another shot at the end
        (slice(40, 42), slice(0, 0)),
        (slice(40, 55), slice(40, 55)),
        (slice(185, 200), slice(185, 200)),
    ],
)
def test_frames_of_a_camera_that_was_moved_are_known(shifted: slice, moved: slice) -> None:
    shifts = np.full(200, 0.1)
    shifts[shifted] = 4.0
    shifts[shifted.start : (shifted.start + shifted.stop) // 2] = np.nan
    expected = np.zeros(200, dtype=np.bool_)
    expected[moved] = True
    assert stands_still(shifts)
    np.testing.assert_array_equal(find_moved(shifts, np.arange(200) / 30), expected)


def test_the_ground_of_a_video_needs_a_frame_at_rest_and_gravity() -> None:
    walk, smooth = make_noisy()
    people = [see_all(smooth)]
    gravity = np.tile(-walk.ground.up, (10, 1))
    plain = BodiesJob.model_validate({"video": {"id": "0" * 64}})
    assert find_ground(plain, people, gravity, still=False) is None
    assert find_ground(plain, people, np.full((10, 3), np.nan), still=True) is None
    ground = find_ground(plain, people, gravity, still=True)
    assert ground is not None and np.allclose(ground.up, walk.ground.up)
    pitched = BodiesJob.model_validate({"video": {"id": "0" * 64}, "camera_pitch_deg": 5.0})
    given = find_ground(pitched, people, np.full((10, 3), np.nan), still=True)
    assert given is not None and given.up[1] == pytest.approx(-np.cos(np.radians(5)))


def test_the_world_of_a_still_camera_has_the_floor_at_zero() -> None:
    walk, smooth = make_noisy()
    ground = find_floor([see_all(smooth)], walk.ground.up)
    pose = ground.world_from_ground()
    planted = plant_motion(see_all(smooth), ground, None)
    soles = pose_soles(planted) @ pose[:3, :3].T + pose[:3, 3]
    stands = np.repeat(planted.foot_contact > 0.5, 2, axis=1)
    assert np.median(np.where(stands, soles[..., 1], np.nan)[stands]) == pytest.approx(0.0, abs=0.01)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    seen = ground.seen_from(np.eye(4))
    assert seen.height == ground.height


def test_a_result_says_where_the_floor_is_and_how_many_steps_were_taken() -> None:
    walk, smooth = make_noisy()
    ground = find_floor([see_all(smooth)], walk.ground.up)
    planted = plant_motion(see_all(smooth), ground, None)
    request = BodiesJob.model_validate({"video": {"id": "0" * 64}})
    result = BodiesResult(width=640, height=480, **describe_ground(request, ground, [planted]))
    assert result.floor is not None and (result.floor.feet, result.floor.people) == (2, 1)
    assert result.floor.offset_m == pytest.approx(1.5, abs=0.04)
    assert result.gravity is not None and result.gravity.source == "people"
    assert np.allclose(result.world_from_cam, ground.world_from_ground())
    assert describe_ground(request, None, [smooth]) == {}
    # the walk takes a step per foot and 1.1 s; the first foot comes down in the first frame
    comes_down = np.diff(walk.contacts.astype(int), axis=0)[1:] == 1
    assert count_steps(planted.foot_contact) == int(comes_down.sum())
    assert count_steps(smooth.foot_contact) is None


def test_files_have_the_motion_in_a_world_with_gravity() -> None:
    walk, smooth = make_noisy()
    ground = find_floor([see_all(smooth)], walk.ground.up)
    arrays = list_world_arrays(smooth, ground, np.arange(len(smooth.frames)) >= 30)
    pose = arrays["world_from_cam"].values
    joints = smooth.joints() @ pose[:3, :3].T + pose[:3, 3]
    np.testing.assert_allclose(arrays["joints_world"].values[:30], joints[:30], atol=1e-5)
    # the camera moved in the others
    for name in ("joints_world", "root_translation_world", "root_rotation_world"):
        assert np.isfinite(arrays[name].values[:30]).all() and np.isnan(arrays[name].values[30:]).all()
    assert 1.3 < np.nanmax(arrays["joints_world"].values[..., 1]) < 2.0
    np.testing.assert_allclose(
        arrays["root_translation_world"].values, arrays["joints_world"].values[:, 0], atol=1e-5
    )
