"""A first pose in closed form: the torso by Kabsch, the limbs from the directions of their bones."""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.kinematics import SHAPE, BodyState, Kinematics
from workers.engines.bodies.observations import (
    ANKLES,
    ELBOWS,
    HIPS,
    KNEES,
    SHOULDERS,
    TORSO,
    WRISTS,
    LandmarkObservation,
)
from workers.engines.bodies.rotations import exp_map, frame, kabsch, swing

Floats = NDArray[np.float64]
# Starting values only, chosen, not tuned: sine of the bend below which a limb is too straight to define a
# plane, weight below which a landmark is not used, and the depth of the nearest landmark in metres.
MIN_BEND = 0.3
MIN_WEIGHT = 0.3
MIN_DEPTH = 0.2
SIDES = ("L", "R")
# Joints of upper and lower bone and of the end; landmarks of a limb's root, middle and end, left and right.
LIMB_JOINTS = {
    "arm": ("upperarm01", "lowerarm01", "wrist"),
    "leg": ("upperleg01", "lowerleg01", "foot"),
}
LIMB_LANDMARKS = {"arm": (SHOULDERS, ELBOWS, WRISTS), "leg": (HIPS, KNEES, ANKLES)}


def estimate_initial_state(kinematics: Kinematics, observed: LandmarkObservation, height: float) -> BodyState:
    """The state that a fit starts from; `height` is the first shape parameter."""
    skeleton = kinematics.skeleton
    rest = skeleton.model.base
    torso = list(TORSO)
    rotations = exp_map(skeleton.relaxed_rotations())
    rotations[0] = kabsch(
        rest.landmarks[torso], observed.world[torso], np.maximum(observed.weights[torso], 0.02)
    )
    for name, (roots, middles, ends) in LIMB_LANDMARKS.items():
        for k, side in enumerate(SIDES):
            sure = min(float(observed.weights[n[k]]) for n in (roots, middles))
            if sure < MIN_WEIGHT:
                continue
            a = observed.world[middles[k]] - observed.world[roots[k]]
            b = observed.world[ends[k]] - observed.world[middles[k]]
            certain = float(observed.weights[ends[k]]) >= MIN_WEIGHT
            place_limb(kinematics, rotations, f"{name}_{side}", a, b if certain else None)
    shape = np.zeros(len(SHAPE))
    shape[0] = height
    state = BodyState(rotations, np.zeros(3), shape)
    points = kinematics.pose(state).landmarks
    return BodyState(rotations, solve_translation(points, observed), shape)


def place_limb(kinematics: Kinematics, rotations: Floats, limb: str, a: Floats, b: Floats | None) -> None:
    """Turn a limb's two bones in local `rotations` (M, 3, 3) to lie along `a` and `b` (3,), camera frame.

    `limb` is "arm" or "leg" with a side, such as "arm_L"; without `b` the lower bone keeps its angle.
    """
    skeleton = kinematics.skeleton
    name, side = limb.split("_")
    joints = [f"{joint}_{side}" for joint in LIMB_JOINTS[name]]
    upper, lower, end = (
        skeleton.model.base.joints[skeleton.model.joint_names.index(joint)] for joint in joints
    )
    first, second = skeleton.index(joints[0]), skeleton.index(joints[1])
    above = kinematics.turn(rotations)[skeleton.parents[first]]
    target = swing(above @ (lower - upper), a) @ above
    if b is not None:
        normal = np.cross(a, b)
        bent = float(np.linalg.norm(normal)) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)
        if bent > MIN_BEND:
            target = frame(a, normal) @ frame(lower - upper, skeleton.frames[second, 1]).T
        rotations[second] = target.T @ swing(target @ (end - lower), b) @ target
    rotations[first] = above.T @ target


def solve_translation(points: Floats, observed: LandmarkObservation) -> Floats:
    """The translation (3,) that best projects points (33, 3) onto the landmarks, by linear least squares."""
    camera = observed.camera
    u = (observed.pixels[:, 0] - camera.cx) / camera.fx
    v = (observed.pixels[:, 1] - camera.cy) / camera.fy
    rows = np.zeros((2, len(points), 3))
    rows[0, :, 0], rows[0, :, 2] = 1.0, -u
    rows[1, :, 1], rows[1, :, 2] = 1.0, -v
    right = np.stack([u * points[:, 2] - points[:, 0], v * points[:, 2] - points[:, 1]])
    weights = np.maximum(observed.weights, 1e-3)
    a = (rows * weights[None, :, None]).reshape(-1, 3)
    solution = np.asarray(np.linalg.lstsq(a, (right * weights).reshape(-1), rcond=None)[0], dtype=np.float64)
    nearest = MIN_DEPTH - points[:, 2].min()
    if solution[2] < nearest:
        solution = solution * (nearest / max(abs(solution[2]), 1e-6))
        solution[2] = nearest
    return solution
