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
LIMBS = (
    ("upperarm01", "lowerarm01", "wrist", SHOULDERS, ELBOWS, WRISTS),
    ("upperleg01", "lowerleg01", "foot", HIPS, KNEES, ANKLES),
)


def estimate_initial_state(kinematics: Kinematics, observed: LandmarkObservation, height: float) -> BodyState:
    """The state that a fit starts from; `height` is the first shape parameter."""
    skeleton = kinematics.skeleton
    rest = skeleton.model.base
    torso = list(TORSO)
    rotations = exp_map(skeleton.relaxed_rotations())
    rotations[0] = kabsch(
        rest.landmarks[torso], observed.world[torso], np.maximum(observed.weights[torso], 0.02)
    )
    places = dict(zip(skeleton.model.joint_names, rest.joints, strict=True))
    for upper, lower, end, roots, middles, ends in LIMBS:
        for k, side in enumerate(("L", "R")):
            sure = min(float(observed.weights[n[k]]) for n in (roots, middles))
            if sure < MIN_WEIGHT:
                continue
            a = observed.world[middles[k]] - observed.world[roots[k]]
            b = observed.world[ends[k]] - observed.world[middles[k]]
            first, second = skeleton.index(f"{upper}_{side}"), skeleton.index(f"{lower}_{side}")
            bone = places[f"{lower}_{side}"] - places[f"{upper}_{side}"]
            hinge = skeleton.frames[second, 1]
            above = kinematics.turn(rotations)[skeleton.parents[first]]
            normal = np.cross(a, b)
            lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
            bent = float(np.linalg.norm(normal)) / max(lengths, 1e-9)
            certain = float(observed.weights[ends[k]]) >= MIN_WEIGHT
            if bent > MIN_BEND and certain:
                target = frame(a, normal) @ frame(bone, hinge).T
            else:
                target = swing(above @ bone, a) @ above
            rotations[first] = above.T @ target
            if certain:
                fore = places[f"{end}_{side}"] - places[f"{lower}_{side}"]
                rotations[second] = target.T @ swing(target @ fore, b) @ target
    shape = np.zeros(len(SHAPE))
    shape[0] = height
    state = BodyState(rotations, np.zeros(3), shape)
    points = kinematics.pose(state).landmarks
    return BodyState(rotations, solve_translation(points, observed), shape)


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
