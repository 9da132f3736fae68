"""Motions of known truth: less jitter and no more error, gaps, one shape, the world."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.synthetic_bodies import make_body, make_walk
from workers.engines.bodies.rotations import exp_map, quaternions
from workers.jobs.bodies.estimate_chunks import (
    EstimateChunkWriter,
    dump_rig,
    list_tracks,
    load_rig,
    load_timeline,
    load_track_estimates,
)
from workers.jobs.bodies.gap_filling import ESTIMATED, FILLED, OPEN, fill_gaps, find_spans
from workers.jobs.bodies.mean_shape import robust_weights
from workers.jobs.bodies.motion import BodyMotion, build_motion, measure_jitter
from workers.jobs.bodies.smoothing import angle_between, slerp, smooth_positions, smooth_rotations


def make_turn(degrees: float) -> np.ndarray:
    return quaternions(exp_map(np.array([0.0, np.radians(degrees), 0.0])))


def error(motion: BodyMotion, walk: object) -> float:
    return float(np.degrees(angle_between(motion.rotations, walk.rotations).mean()))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("rate", "noise", "lone"), [(30, 0.05, 0.0), (30, 0.05, 0.05), (12, 0.1, 0.05)])
def test_jitter_falls_and_the_error_does_not_rise(rate: float, noise: float, lone: float) -> None:
    built = make_walk(60, rate, noise=noise, lone=lone, distance_noise=0.03)
    raw = build_motion(built.rig, built.estimates, built.seconds, smoothing=False)
    smooth = build_motion(built.rig, built.estimates, built.seconds)
    assert smooth.jitter_raw == pytest.approx(raw.jitter_raw)
    assert smooth.jitter is not None and raw.jitter is not None
    assert smooth.jitter < 0.5 * raw.jitter
    assert error(smooth, built) < 0.9 * error(raw, built)
    off = [np.linalg.norm(m.positions - built.positions, axis=1).mean() for m in (smooth, raw)]
    assert off[0] < 0.7 * off[1]


def test_acceleration_comes_nearer_to_the_truth() -> None:
    built = make_walk(noise=0.05, distance_noise=0.02)
    true = build_motion(built.rig, make_walk().estimates, built.seconds, smoothing=False).joints()

    def acceleration_error(joints: np.ndarray) -> float:
        return float(np.linalg.norm(np.diff(joints - true, 2, axis=0), axis=-1).mean() * 30**2)

    raw = build_motion(built.rig, built.estimates, built.seconds, smoothing=False)
    assert acceleration_error(
        build_motion(built.rig, built.estimates, built.seconds).joints()
    ) < 0.4 * acceleration_error(raw.joints())


def test_a_clean_motion_is_kept() -> None:
    built = make_walk()
    assert error(build_motion(built.rig, built.estimates, built.seconds), built) < 1.5


def test_smoothing_has_no_delay() -> None:
    seconds = np.arange(60) / 30
    angles = np.radians(60) * np.sin(2 * np.pi * 0.8 * seconds)
    steady = quaternions(exp_map(np.stack([angles, 0 * angles, 0 * angles], axis=1)))
    actual = 2 * np.arctan2(*smooth_rotations(steady, seconds)[:, [1, 0]].T)
    shifts = [np.abs(actual[10:-10] - np.roll(angles, k)[10:-10]).mean() for k in range(-5, 6)]
    assert int(np.argmin(shifts)) == 5


@pytest.mark.parametrize("rate", [15, 30, 60])
def test_a_steady_movement_is_kept_where_the_track_begins_and_ends(rate: int) -> None:
    seconds = np.arange(round(1.5 * rate)) / rate
    # somebody who runs past at 2.5 m/s, 5 m away, and an arm that turns by 180 degrees per second
    places = np.stack([2.5 * (seconds - 0.7), 0 * seconds, 5 + 0 * seconds], axis=1)
    assert np.linalg.norm(smooth_positions(places, seconds) - places, axis=1).max() < 0.01
    turning = quaternions(exp_map(np.pi * seconds[:, None] * np.array([0.0, 0.6, 0.8])))
    assert np.degrees(angle_between(smooth_rotations(turning, seconds), turning)).max() < 1.0


def test_an_outlier_in_the_first_frame_is_dropped() -> None:
    seconds = np.arange(30) / 30
    turning = quaternions(exp_map(seconds[:, None] * np.array([1.0, 0.0, 0.0])))
    wrong = turning.copy()
    wrong[0] = make_turn(140.0)
    assert np.degrees(angle_between(smooth_rotations(wrong, seconds), turning)).max() < 8


def test_a_frame_that_stands_alone_is_dropped() -> None:
    seconds = np.arange(30) / 30
    steady = np.tile(make_turn(20.0), (30, 1))
    steady[12] = make_turn(140.0)
    assert np.degrees(angle_between(smooth_rotations(steady, seconds), make_turn(20.0)[None]).max()) < 0.01
    places = np.tile([0.2, 0.1, 4.0], (30, 1))
    places[7] *= 1.5
    assert np.abs(smooth_positions(places, seconds) - [0.2, 0.1, 4.0]).max() < 1e-9


def test_slerp_takes_the_short_way_at_constant_speed() -> None:
    middle = slerp(make_turn(10.0)[None], -make_turn(70.0)[None], np.array([0.25]))
    assert np.degrees(angle_between(middle, make_turn(25.0)[None]))[0] == pytest.approx(0.0, abs=1e-6)


def test_short_gaps_are_filled_and_long_ones_stay_open() -> None:
    built = make_walk(60, 30, missing=(*range(10, 16), *range(30, 50)))
    motion = build_motion(built.rig, built.estimates, built.seconds, smoothing=False, max_gap=0.5)
    assert (motion.state[10:16] == FILLED).all() and (motion.state[30:50] == OPEN).all()
    assert int((motion.state == ESTIMATED).sum()) == 34
    assert [(run.start, run.stop) for run in motion.spans] == [(0, 30), (50, 60)]
    assert np.isnan(motion.rotations[30:50]).all() and np.isnan(motion.raw_rotations[10:16]).all()
    assert np.degrees(angle_between(motion.rotations[10:16], built.rotations[10:16]).mean()) < 3
    assert np.linalg.norm(motion.positions[10:16] - built.positions[10:16], axis=1).max() < 0.02
    joints = motion.joints()
    assert np.isfinite(joints[:30]).all() and np.isnan(joints[30:50]).all()


@pytest.mark.parametrize(("limit", "filled"), [(0.0, 0), (0.099, 0), (0.1, 2), (1.0, 2)])
def test_the_limit_is_in_seconds_between_bodies(limit: float, filled: int) -> None:
    seconds = np.arange(6) / 30
    actual = np.array([True, True, False, False, True, True])
    rotations = np.tile(make_turn(0.0), (6, 1, 1)).reshape(6, 1, 4)
    state, _, _ = fill_gaps(seconds, actual, rotations, np.zeros((6, 3)), limit)
    assert int((state == FILLED).sum()) == filled
    assert len(find_spans(state)) == (1 if filled else 2)


def test_jitter_of_a_known_acceleration_over_uneven_times() -> None:
    seconds = np.array([0.0, 0.03, 0.08, 0.1, 0.2])
    joints = np.zeros((5, 2, 3))
    joints[:, :, 1] = 0.5 * 9.81 * seconds[:, None] ** 2
    assert measure_jitter(joints, seconds, np.ones(5, bool)) == pytest.approx(9.81)
    assert measure_jitter(joints, seconds, np.array([True, True, False, True, True])) is None
    assert measure_jitter(joints[:2], seconds[:2], np.ones(2, bool)) is None


def test_one_outlier_frame_does_not_change_the_shape() -> None:
    rng = np.random.default_rng(0)
    true = make_body().rig.rest_joints
    shapes = true * (1 + 0.02 * rng.normal(size=(9, 1, 1)))
    shapes[4] = 1.6 * true
    weights = robust_weights(shapes, np.full(9, 0.8))
    assert weights.sum() == pytest.approx(1.0) and weights[4] < 0.01
    built = make_walk(9)
    estimates = replace(
        built.estimates,
        rest_joints=shapes,
        samples=np.arange(9),
        sample_vertices=np.repeat(built.rig.rest_vertices[None], 9, axis=0),
        parameters={"height": np.where(np.arange(9) == 4, 6.0, 0.5)[:, None]},
    )
    motion = build_motion(built.rig, estimates, built.seconds, smoothing=False)
    assert np.ptp(motion.rig.rest_joints[:, 1]) == pytest.approx(np.ptp(true[:, 1]), rel=0.02)
    assert motion.parameters["height"][0] == pytest.approx(0.5, abs=0.06)
    # the giant covers the same pixels as before, so it comes nearer along its ray
    moved = motion.positions[4] / built.positions[4]
    np.testing.assert_allclose(moved, moved[0])
    assert moved[0] == pytest.approx(1 / 1.6, rel=0.02)


def test_known_camera_poses_put_the_motion_into_the_world() -> None:
    built = make_walk(20, 30)
    poses = np.tile(np.eye(4), (20, 1, 1))
    poses[:, :3, :3] = exp_map(np.stack([0 * built.seconds, 1.5 * built.seconds, 0 * built.seconds], axis=1))
    poses[:, :3, 3] = np.stack([built.seconds, 0 * built.seconds, 2 * built.seconds], axis=1)
    camera = build_motion(built.rig, built.estimates, built.seconds, smoothing=False)
    for smoothing, limit in ((False, 1e-9), (True, 0.03)):
        world = build_motion(
            built.rig, built.estimates, built.seconds, world_from_cam=poses, smoothing=smoothing
        )
        expected = np.einsum("tab,tjb->tja", poses[:, :3, :3], camera.joints()) + poses[:, None, :3, 3]
        assert np.linalg.norm(world.joints() - expected, axis=-1).mean() < limit


def test_bodies_survive_their_way_through_the_store() -> None:
    bodies = [make_body(seed) for seed in range(5)]
    store: dict[str, bytes] = {}
    writer = EstimateChunkWriter()
    for frame, actual in enumerate(bodies):
        writer.add(frame, 100 * frame, [(7, actual)] if frame == 2 else [(7, actual), (3, bodies[0])])
        if frame in (2, 4):
            store[str(frame)] = writer.flush()
    chunks = list(store)
    rig, names, lengths = load_rig(dump_rig(bodies[0]))
    assert names == bodies[0].keypoint_names and (rig.faces == bodies[0].rig.faces).all()
    assert list_tracks(chunks, store.__getitem__) == [3, 7]
    assert load_timeline(chunks, store.__getitem__).tolist() == [[n, 100 * n] for n in range(5)]
    estimates = load_track_estimates(7, chunks, store.__getitem__, lengths)
    assert estimates.frames.tolist() == [0, 1, 2, 3, 4]
    assert load_track_estimates(3, chunks, store.__getitem__, lengths).frames.tolist() == [0, 1, 3, 4]
    for k, estimate in enumerate(bodies):
        np.testing.assert_array_equal(estimates.rotations[k], estimate.rig.rotations)
        np.testing.assert_allclose(estimates.keypoints_2d[k], estimate.keypoints_2d, rtol=1e-6)
    assert estimates.parameters["fit_shape"].tolist() == [[0.5, 1.0, -0.3, 0.2]] * 5
    for place, mesh in zip(estimates.samples, estimates.sample_vertices, strict=True):
        np.testing.assert_allclose(mesh, bodies[place].rig.rest_vertices, atol=1e-6)


def test_a_chunk_without_a_body_is_read_back() -> None:
    writer = EstimateChunkWriter()
    writer.add(0, 0, [])
    store = {"a": writer.flush()}
    assert list_tracks(["a"], store.__getitem__) == []
    assert load_timeline(["a"], store.__getitem__).tolist() == [[0, 0]]
    assert load_timeline([], store.__getitem__).shape == (0, 2)
