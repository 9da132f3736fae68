"""Hands: drawn ones are read as open, relaxed or fists, and what is no hand or too small is not read."""

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

from tests.support.drawn_hands import draw_hand, make_pose
from tests.support.synthetic_bodies import load_skinner
from workers.engines.bodies.hands import (
    HandPose,
    HandReader,
    align_region,
    list_curls,
    name_hand,
    place_hands,
)
from workers.engines.bodies.kinematics import BodyState
from workers.engines.bodies.rig import pose_rig


@lru_cache(maxsize=1)
def load_reader() -> HandReader:
    return HandReader(1)


@pytest.mark.parametrize("turn", [-1.6, -0.9])
@pytest.mark.parametrize(("curl", "state"), [(0.0, "open"), (0.5, "relaxed"), (1.2, "fist")])
def test_hands_are_open_relaxed_or_fists(curl: float, state: str, turn: float) -> None:
    hand, other = load_reader().read_hands(*draw_hand(curl, turn))
    assert hand is not None and other is None
    assert name_hand(hand.find_curls()) == state


def test_a_hand_that_is_not_read_is_unknown() -> None:
    assert name_hand(np.full(4, np.nan)) is None


def test_what_is_no_hand_hidden_or_too_small_is_not_read() -> None:
    image, pose = draw_hand(0.0, 0.0)
    blank = np.full_like(image, 127)
    assert load_reader().read_hands(blank, pose) == (None, None)
    assert load_reader().read_hands(image, replace(pose, confidence=np.full(33, 0.3))) == (None, None)
    wrist = pose.pixels[15]
    tiny = replace(pose, pixels=wrist + 0.1 * (pose.pixels - wrist))
    assert load_reader().read_hands(image, tiny) == (None, None)
    assert np.isnan(list_curls((None, None))).all()


@pytest.mark.parametrize("curl", [0.0, 0.5, 1.2])
def test_a_hand_too_blurred_to_tell_is_unknown(curl: float) -> None:
    image, pose = draw_hand(curl, -0.9)
    wrist, knuckle = pose.pixels[15], pose.pixels[19]
    # a tenth of the hand's length, of which wrist to knuckles are half
    blurred = cv2.GaussianBlur(image, (0, 0), 0.2 * float(np.linalg.norm(knuckle - wrist)))
    assert load_reader().read_hands(blurred, pose) == (None, None)


def test_a_region_holds_the_hand_upright() -> None:
    region = align_region(np.array([100.0, 100.0]), np.array([140.0, 100.0]), 4.0)
    assert region.size == pytest.approx(160.0)
    # fingers that point right in the image point up in the region
    low, high = region.to_image(np.array([[0.5, 1.0], [0.5, 0.0]]))
    assert high[0] > low[0] and high[1] == pytest.approx(low[1])


def test_knuckles_of_the_hand_replace_those_of_the_body() -> None:
    pose = make_pose(np.arange(66.0).reshape(33, 2), 0.4)
    points = np.arange(63.0).reshape(21, 3)
    placed = place_hands(pose, (None, HandPose(points[:, :2], points, 0.9)))
    np.testing.assert_array_equal(placed.pixels[[18, 20, 22]], points[[17, 5, 2], :2])
    np.testing.assert_array_equal(placed.world[18], pose.world[16] + points[17] - points[0])
    assert (placed.confidence[[18, 20, 22]] == 0.9).all() and placed.confidence[17] == 0.4
    others = [k for k in range(33) if k not in (18, 20, 22)]
    np.testing.assert_array_equal(placed.pixels[others], pose.pixels[others])


def test_curls_bring_the_finger_tips_to_the_palm() -> None:
    skinner = load_skinner()
    skeleton = skinner.kinematics.skeleton
    still = BodyState(np.repeat(np.eye(3)[None], len(skeleton.joints), 0), np.zeros(3), np.zeros(4))
    names = skeleton.model.joint_names
    for side, row in (("L", 0), ("R", 1)):
        curls = np.zeros((2, 4))
        curls[row] = 1.2
        open_hands, closed = (pose_rig(skinner.rig(still, bent))[1] for bent in (np.zeros((2, 4)), curls))
        wrist, tip = names.index(f"wrist_{side}"), names.index(f"finger3_3_{side}")
        reach = [np.linalg.norm(joints[tip] - joints[wrist]) for joints in (open_hands, closed)]
        assert reach[1] < 0.75 * reach[0]
        other = names.index(f"finger3_3_{'R' if side == 'L' else 'L'}")
        np.testing.assert_allclose(open_hands[other], closed[other])
