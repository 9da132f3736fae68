"""Drawn hands: the body's left hand from many sides, its fingers bent by a given angle."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tests.support.synthetic_bodies import load_skinner
from workers.engines.bodies.blazepose import Pose2D
from workers.engines.bodies.crops import CropRegion
from workers.engines.bodies.hands import BODY_LANDMARKS
from workers.engines.bodies.kinematics import BodyState
from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.bodies.rotations import exp_map, frame, quaternions
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh

CAMERA = Camera(320, 320, 900.0, 900.0, 160.0, 160.0)
SKIN, WALL = (224, 172, 140), (120, 130, 120)
LIGHT = np.array([-0.4, -0.5, -0.77])


def make_pose(pixels: NDArray[np.float64], confidence: float = 1.0) -> Pose2D:
    """What BlazePose would say of landmarks (33, 2)."""
    region = CropRegion(160.0, 160.0, 320.0)
    foreground = np.ones((256, 256), np.float32)
    certain = np.full(33, confidence)
    return Pose2D(pixels, certain, np.zeros((33, 3)), 1.0, np.zeros(2), np.ones(2), region, foreground)


def draw_hand(curl: float, turn: float, tilt: float = 0.0) -> tuple[NDArray[np.uint8], Pose2D]:
    """The body's left hand with its fingers up, turned about them and tilted, and its landmarks.

    `curl` is by how many radians each joint of the fingers bends, `turn` and `tilt` are radians.
    """
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
    turned = exp_map(np.array([tilt, 0.0, 0.0])) @ exp_map(np.array([0.0, turn, 0.0]))
    rig.rotations[0] = quaternions(turned @ upright @ hand.T)
    rig = replace(rig, root_translation=np.array([0.0, 0.0, 1.6]) - pose_rig(rig)[1][middle])
    vertices, joints = skin_rig(rig), pose_rig(rig)[1]
    near = np.linalg.norm(vertices - joints[wrist], axis=1) < 0.32
    faces = rig.faces[near[rig.faces].all(axis=1)]
    colors = (np.array(SKIN) * shade(vertices, faces)[:, None]).astype(np.uint8)
    image, _ = render_mesh(vertices, faces, colors, CAMERA, background=WALL)
    pixels = np.full((33, 2), -50.0)
    pixels[list(BODY_LANDMARKS[0][:3])] = CAMERA.project(joints[[wrist, pinky, index]])
    return image, make_pose(pixels)


def shade(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """How bright vertices (V, 3) are, as shares (V,)."""
    corners = vertices[faces]
    normals = np.zeros_like(vertices)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for k in range(3):
        np.add.at(normals, faces[:, k], flat)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    return np.asarray(0.45 + 0.55 * np.clip(normals @ LIGHT, 0.0, 1.0))
