"""When points of the soles stand: tracks that are drawn as arrays, in metres to the right, ahead and up."""

import numpy as np
import pytest

from workers.jobs.bodies.ground.contacts import Contacts, detect_contacts
from workers.jobs.bodies.ground.flatness import find_flat
from workers.jobs.bodies.ground.video_ground import count_steps

# a foot stands for 0.7 s and steps 1.2 m within 0.4 s; the other one follows by half of that
CYCLE, STANCE, STRIDE = 1.1, 0.7, 1.2
NOISE = np.array([0.06, 0.10, 0.03])


def draw_walk(seconds: np.ndarray, height: float = 0.0) -> np.ndarray:
    """Heels and balls (T, 4, 3) of feet that lie flat, without noise."""
    feet = []
    for side in (0, 1):
        number, part = np.divmod(seconds + CYCLE * (1 + 0.5 * side), CYCLE)
        swing = np.clip((part - STANCE) / (CYCLE - STANCE), 0.0, 1.0)
        ahead = STRIDE * (number + swing * swing * (3 - 2 * swing))
        up = height + 0.1 * np.sin(np.pi * swing)
        feet += [
            np.stack([ahead + length, np.full_like(ahead, 0.2 * side), up], axis=1) for length in (0, 0.2)
        ]
    return np.stack(feet, axis=1)


def add_noise(places: np.ndarray, seed: int = 0) -> np.ndarray:
    """The same for heel and ball, as errors of the leg are."""
    rng = np.random.default_rng(seed)
    noise = NOISE * rng.normal(size=(len(places), 2, 3))
    return places + np.repeat(noise, 2, axis=1)


def detect(places: np.ndarray, seconds: np.ndarray) -> Contacts:
    return detect_contacts(places, seconds, np.tile([0.0, 5.0, -0.6], (len(seconds), 1)))


@pytest.mark.parametrize("rate", [10, 15, 30, 0, pytest.param(100, marks=pytest.mark.slow)])
def test_stands_are_found_at_every_frame_rate(rate: int) -> None:
    uneven = np.cumsum(np.random.default_rng(2).choice([1 / 30, 1 / 15, 1 / 10], 22))
    seconds = np.arange(round(1.4 * rate)) / rate if rate else uneven
    places = draw_walk(seconds)
    found = detect(add_noise(places), seconds)
    swing = places[:, ::2, 2] > 1e-6
    stands = found.planted.reshape(len(seconds), 2, 2).all(axis=2)
    # all frames of a stand are planted, and no frame of the middle of a step
    assert stands[~swing].mean() > 0.97
    assert not stands[places[:, ::2, 2] > 0.09].any()
    assert np.isfinite(found.feet).mean() > 0.9


def test_the_noise_is_measured_on_the_track() -> None:
    seconds = np.arange(24) / 15
    for scale in (0.4, 1.5):
        walk = draw_walk(seconds)
        noise = detect(walk + scale * (add_noise(walk) - walk), seconds).noise
        assert noise[0] == pytest.approx(scale * NOISE[0], rel=0.5)
        assert noise[2] == pytest.approx(scale * NOISE[2], rel=0.5)


def test_one_fast_frame_does_not_lift_a_foot() -> None:
    seconds = np.arange(20) / 20
    places = np.zeros((20, 4, 3))
    places[10, :, 0] = 0.3
    found = detect(places, seconds)
    assert found.planted.all() and (found.feet == 1).all()


@pytest.mark.parametrize("speed", [0.4, 1.5])
def test_feet_that_slide_do_not_stand(speed: float) -> None:
    seconds = np.arange(30) / 15
    places = np.zeros((30, 4, 3))
    places[..., 0] = speed * seconds[:, None]
    found = detect(add_noise(places), seconds)
    # but in the last frame or two, where it may just have come to rest
    assert not (found.feet[:-2] == 1).any() and found.planted.mean() < 0.1


def test_a_foot_held_still_above_the_floor_does_not_stand() -> None:
    seconds = np.arange(30) / 15
    found = detect(add_noise(np.tile([0.0, 0.0, 0.4], (30, 4, 1))), seconds)
    assert not found.planted.any() and (found.feet == 0).all()


def test_what_cannot_be_decided_is_unknown() -> None:
    seconds = np.arange(24) / 15
    # steps of 12 cm in noise of 10 cm
    found = detect(add_noise(draw_walk(seconds) * [0.1, 1.0, 0.3], seed=1), seconds)
    assert np.isnan(found.feet).mean() > 0.3
    lone = detect(np.zeros((1, 4, 3)), np.zeros(1))
    assert np.isnan(lone.feet).all() and lone.planted.all()


def test_frames_without_a_body_have_no_evidence() -> None:
    seconds = np.arange(24) / 15
    places = np.zeros((24, 4, 3))
    places[8:12] = np.nan
    found = detect(places, seconds)
    assert found.planted.all() and (found.feet == 1).all()


def test_a_tilted_foot_stands_on_its_lower_point() -> None:
    seconds = np.arange(30) / 30
    places = np.zeros((30, 4, 3))
    places[15:, 0, 2] = np.minimum(0.02 * np.arange(15), 0.12)
    found = detect(places, seconds)
    assert found.planted[:, 1].all() and found.planted[:14, 0].all()
    assert not found.planted[20:, 0].any() and found.planted[:, 2:].all()


def test_flat_feet_are_distinguished_from_tilted_ones_in_noise() -> None:
    seconds = np.arange(40) / 20
    higher = np.where(seconds < 1, 0.0, 0.1)[:, None] + 0.03 * np.random.default_rng(0).normal(size=(40, 1))
    flat = find_flat(higher, seconds, np.ones(40))
    assert (flat[:18] > 0.5).all() and (flat[22:] < 0.5).all()


def test_unknown_frames_are_no_steps() -> None:
    contacts = np.array([[1, 0], [np.nan, 0], [1, np.nan], [0, 1], [1, 1]], dtype=np.float64)
    assert count_steps(contacts) == 2
