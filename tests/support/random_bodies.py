"""Random bodies inside joint limits, seen by a known camera: the truth that fits are held against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.training.drawn_poses import draw_pose
from workers.engines.bodies.kinematics import BodyState, Kinematics, PosedSkeleton
from workers.engines.bodies.observations import LandmarkObservation, observe
from workers.engines.bodies.rotations import exp_map, kabsch
from workers.geometry.cameras import Camera

CAMERA = Camera(1280, 960, 1100.0, 1100.0, 640.0, 480.0)
HIPS = [23, 24]


@dataclass(frozen=True)
class Truth:
    state: BodyState
    posed: PosedSkeleton
    observed: LandmarkObservation


def draw_body(
    kinematics: Kinematics,
    rng: np.random.Generator,
    *,
    image_noise: float = 0.0,
    world_noise: float = 0.0,
    plain: bool = False,
    everyday: bool = False,
) -> Truth:
    """One person of any sex and age, or (`plain`) a neutral adult, in any pose or an `everyday` one.

    `image_noise` is over the body's height, `world_noise` in metres (twice that in depth)."""
    skeleton = kinematics.skeleton
    count = len(skeleton.joints)
    angles = np.zeros((count, 3))
    angles[1:] = np.clip(
        skeleton.relaxed[1:] + 0.6 * rng.normal(size=(count - 1, 3)) * skeleton.spread[1:],
        0.9 * skeleton.low[1:],
        0.9 * skeleton.high[1:],
    )
    if everyday:
        angles[1:] = draw_pose(skeleton, rng)[1:]
    rotations = exp_map(np.einsum("mab,ma->mb", skeleton.frames, angles))
    facing = exp_map(np.array([0.0, rng.uniform(-np.pi, np.pi), 0.0]))
    rotations[0] = np.diag([1.0, -1.0, -1.0]) @ facing @ exp_map(0.2 * rng.normal(size=3))
    place = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.3), rng.uniform(3.0, 6.0)])
    shape = np.array([np.clip(0.7 * rng.normal(), -1.5, 1.5), 0.3 * rng.normal(), 0.0, 0.0])
    if not plain:
        shape[2:] = rng.uniform(-1.0, 1.0), min(abs(0.4 * rng.normal()), 1.0)
    state = BodyState(rotations, place, shape)
    posed = kinematics.pose(state)
    points = posed.landmarks
    reach = 1.7 * CAMERA.fx / place[2]
    pixels = CAMERA.project(points) + image_noise * reach * rng.normal(size=(33, 2))
    about = points - points[HIPS].mean(axis=0)
    view = observe(pixels, np.ones(33), about, CAMERA).view
    world = (about + world_noise * np.array([1.0, 1.0, 2.0]) * rng.normal(size=(33, 3))) @ view
    return Truth(state, posed, observe(pixels, np.ones(33), world, CAMERA))


def mpjpe(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Mean joint error in mm after the roots are laid together."""
    return float(np.linalg.norm((predicted - predicted[0]) - (true - true[0]), axis=1).mean() * 1e3)


def pa_mpjpe(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Mean joint error in mm after the best similarity (Procrustes)."""
    a, b = predicted - predicted.mean(axis=0), true - true.mean(axis=0)
    turned = a @ kabsch(a, b, np.ones(len(a))).T
    scale = (turned * b).sum() / (turned**2).sum()
    return float(np.linalg.norm(scale * turned - b, axis=1).mean() * 1e3)
