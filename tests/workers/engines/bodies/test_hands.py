"""Hands: drawn ones are read as open or closed, and what is no hand or too small is not read."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from tests.support.synthetic_bodies import load_skinner
from workers.engines.bodies.blazepose import Pose2D
from workers.engines.bodies.crops import CropRegion
from workers.engines.bodies.hands import (
    BODY_LANDMARKS,
    HandPose,
    HandReader,
    align_region,
    list_curls,
    place_hands,
)
from workers.engines.bodies.kinematics import BodyState
from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.bodies.rotations import exp_map, frame, quaternions
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh

CAMERA = Camera(320, 320, 900.0, 900.0, 160.0, 160.0)
SKIN, WALL = (224, 172, 140), (120, 130, 120)


@lru_cache(maxsize=1)
def load_reader() -> HandReader:
    return HandReader(1)


def make_pose(pixels: np.ndarray, confidence: float = 1.0) -> Pose2D:
    region = CropRegion(160.0, 160.0, 320.0)
    foreground = np.ones((256, 256), np.float32)
    certain = np.full(33, confidence)
    return Pose2D(pixels, certain, np.zeros((33, 3)), 1.0, np.zeros(2), np.ones(2), region, foreground)


def draw_hand(curl: float, turn: float) -> tuple[np.ndarray, Pose2D]:
    """The body's left hand with its fingers up, turned about them, and where BlazePose would see it."""
    skinner = load_skinner()
    skeleton = skinner.kinematics.skeleton
    names = {name: j for j, name in enumerate(skeleton.model.joint_names)}
    wrist, middle, pinky, index = (
        names[name] for name in ("wrist_L", "finger3_1_L", "finger5_1_L", "finger2_1_L")
    )
    rest = skeleton.model.base.joints
    hand = frame(rest[middle] - rest[wrist], rest[index] - rest[pinky])
    upright = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    still = BodyState(np.repeat(np.eye(3)[None], len(skeleton.joints), 0), np.zeros(3), np.zeros(4))
    rig = skinner.rig(still, np.full((2, 4), curl))
    rig.rotations[0] = quaternions(exp_map(np.array([0.0, turn, 0.0])) @ upright @ hand.T)
    rig = replace(rig, root_translation=np.array([0.0, 0.0, 1.6]) - pose_rig(rig)[1][middle])
    vertices, joints = skin_rig(rig), pose_rig(rig)[1]
    near = np.linalg.norm(vertices - joints[wrist], axis=1) < 0.32
    colors = np.tile(np.array(SKIN, np.uint8), (len(vertices), 1))
    faces = rig.faces[near[rig.faces].all(axis=1)]
    image, _ = render_mesh(vertices, faces, colors, CAMERA, background=WALL)
    pixels = np.full((33, 2), -50.0)
    pixels[list(BODY_LANDMARKS[0][:3])] = CAMERA.project(joints[[wrist, pinky, index]])
    return image, make_pose(pixels)


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_an_open_hand_is_told_from_a_closed_one(turn: float) -> None:
    read = []
    for curl in (0.0, 0.6):
        hand, other = load_reader().read_hands(*draw_hand(curl, turn))
        assert hand is not None and other is None
        read.append(float(hand.find_curls().mean()))
    assert read[0] < 0.35 < read[1]


def test_what_is_no_hand_hidden_or_too_small_is_not_read() -> None:
    image, pose = draw_hand(0.0, 0.0)
    blank = np.full_like(image, 127)
    assert load_reader().read_hands(blank, pose) == (None, None)
    assert load_reader().read_hands(image, replace(pose, confidence=np.full(33, 0.3))) == (None, None)
    wrist = pose.pixels[15]
    tiny = replace(pose, pixels=wrist + 0.1 * (pose.pixels - wrist))
    assert load_reader().read_hands(image, tiny) == (None, None)
    assert np.isnan(list_curls((None, None))).all()


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
