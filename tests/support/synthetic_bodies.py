"""Bodies and motions that tests make themselves, so that the truth is known."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.kinematics import BodyState, Kinematics
from workers.engines.bodies.rig import Skinner, pose_rig, skin_rig
from workers.engines.bodies.rotations import exp_map, from_quaternions, quaternions
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.protocols import BodyEstimate, Rig
from workers.geometry.cameras import Camera
from workers.jobs.bodies.track_estimates import TrackEstimates

Floats = NDArray[np.float64]
FLIP = np.diag([1.0, -1.0, -1.0])
CAMERA = Camera(640, 480, 900.0, 900.0, 320.0, 240.0)


@lru_cache(maxsize=1)
def load_skinner() -> Skinner:
    return Skinner(Kinematics(load_skeleton()))


def make_body(seed: int = 0, *, bend: float = 0.3) -> BodyEstimate:
    """A random body that stands upright before the camera; one keypoint of four is not visible."""
    built = load_skinner()
    rng = np.random.default_rng(seed)
    rotations = exp_map(bend * rng.normal(size=(len(built.kinematics.skeleton.joints), 3)))
    rotations[0] = FLIP @ rotations[0]
    state = BodyState(rotations, np.array([0.3, -0.1, 3.0]), np.array([0.5, 1.0, -0.3, 0.2]))
    rig = built.rig(state)
    landmarks = built.kinematics.pose(state).landmarks
    visibility = np.where(np.arange(33) % 4 == 3, 0.1, 0.9)
    return BodyEstimate(
        rig=rig,
        vertices=skin_rig(rig),
        joints=pose_rig(rig)[1],
        keypoint_names=built.kinematics.skeleton.model.landmark_names,
        keypoints_2d=CAMERA.project(landmarks),
        keypoints_3d=landmarks,
        keypoint_visibility=visibility,
        parameters={"height": [0.5], "fit_shape": [0.5, 1.0, -0.3, 0.2]},
        camera=CAMERA,
        box=(0.0, 0.0, 640.0, 480.0),
        scale_source="prior",
        confidence=0.9,
        reprojection_error=1.0,
        flags=("default_engine",),
    )


@dataclass(frozen=True)
class Walk:
    """A motion that is known: rotations (T, J, 4), positions (T, 3), and how it was seen."""

    rig: Rig
    seconds: Floats
    rotations: Floats
    positions: Floats
    estimates: TrackEstimates


def make_walk(
    frames: int = 60,
    rate: float = 30.0,
    *,
    noise: float = 0.0,
    distance_noise: float = 0.0,
    lone: float = 0.0,
    missing: tuple[int, ...] = (),
    seed: int = 0,
) -> Walk:
    """Joints that swing, a root that goes sideways and away.

    `noise` in radians on every rotation, `lone` the share of rotations that are off by about a radian,
    `distance_noise` the relative error of the distance; `missing` frames have no body.
    """
    rng = np.random.default_rng(seed)
    rig = make_body().rig
    count = len(rig.parents)
    seconds = np.arange(frames) / rate
    axes = rng.normal(size=(count, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    swing = 0.4 * np.sin(
        2 * np.pi * rng.uniform(0.4, 1.2, count) * seconds[:, None] + rng.uniform(0, 6, count)
    )
    matrices = exp_map(swing[..., None] * axes)
    matrices[:, 0] = FLIP @ matrices[:, 0]
    rotations = quaternions(matrices)
    positions = np.stack([-0.5 + 0.8 * seconds, 0.1 * np.sin(4 * seconds), 4 + 0.5 * seconds], axis=1)
    off = noise * rng.normal(size=(frames, count, 3))
    alone = rng.random((frames, count)) < lone
    off[alone] += rng.normal(size=(int(alone.sum()), 3))
    there = np.setdiff1d(np.arange(frames), missing)
    n = len(there)
    return Walk(
        rig,
        seconds,
        rotations,
        positions,
        TrackEstimates(
            frames=there,
            rotations=quaternions(from_quaternions(rotations) @ exp_map(off))[there],
            positions=(positions * (1 + distance_noise * rng.normal(size=(frames, 1))))[there],
            rest_joints=np.repeat(rig.rest_joints[None], n, axis=0),
            keypoints_2d=np.ones((n, 33, 2)),
            keypoints_3d=np.ones((n, 33, 3)),
            visibility=np.ones((n, 33)),
            boxes=np.ones((n, 4)),
            confidence=np.full(n, 0.8),
            errors=np.ones(n),
            gravity=np.full((n, 3), np.nan),
            parameters={"height": np.full((n, 1), 0.5)},
            samples=np.array([0, n - 1]),
            sample_vertices=np.repeat(rig.rest_vertices[None], 2, axis=0),
        ),
    )
