"""Least squares over one or several poses of one body that share their shape: Levenberg-Marquardt.

The poses of frames meet in the shape alone, which the Schur complement of their normal equations solves
(Triggs et al., "Bundle adjustment: a modern synthesis", 2000, section 6).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import log_map
from workers.engines.bodies.smplx.derivatives import COLUMNS, POSE_COLUMNS, BodyPoints, BodyPose
from workers.engines.bodies.smplx.model import BODY_JOINTS

Floats = NDArray[np.float64]
# Deviations in metres. Chosen, not measured.
JOINT_METRES, SURFACE_METRES = 0.02, 0.01
# Deviations of joint angles in radians, and of betas (SMPL-X's are of unit variance).
ANGLE_SPREAD, BETA_SPREAD = 2.0, 1.0
# once the surface is known, joints of another anatomy are only a hint
JOINT_TRUST = 0.3
# points of the surface weigh as much as this many together, whatever their number
EFFECTIVE_POINTS = 60
DAMPING, MAX_DAMPING = 1e-3, 1e6
# a step that lowers the cost by less than this share ends the search
ENOUGH = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Where a frame's body is: `joints` (K, 3) of the model's joints `rows` (K,), and points of its surface.

    `surface` (N, 3) holds the place of each chosen vertex, `weights` (N,) how far each is believed; None
    where it is not known yet.
    """

    rows: NDArray[np.int64]
    joints: Floats
    surface: Floats | None = None
    weights: Floats | None = None


def solve_poses(
    body: BodyPoints,
    poses: Sequence[BodyPose],
    targets: Sequence[Targets],
    steps: int,
    *,
    shape_is_known: bool = False,
) -> list[BodyPose]:
    """The poses, all of one shape, that meet their targets best after at most so many steps."""
    current = list(poses)
    systems = [_build_system(body, *pair) for pair in zip(current, targets, strict=True)]
    cost = _sum_costs(systems, current)
    damping = DAMPING
    for _ in range(steps):
        while damping < MAX_DAMPING:
            moved = _move(body, current, systems, damping, shape_is_known)
            trial = [_build_system(body, *pair) for pair in zip(moved, targets, strict=True)]
            lowered = _sum_costs(trial, moved)
            if lowered <= cost:
                break
            damping *= 10
        else:
            return current
        is_enough = cost - lowered < ENOUGH * cost
        current, systems, cost, damping = moved, trial, lowered, damping / 10
        if is_enough:
            break
    return current


# normal matrix (79, 79), gradient (79,) and cost of one frame
System = tuple[Floats, Floats, float]


def _build_system(body: BodyPoints, pose: BodyPose, targets: Targets) -> System:
    at = body.linearise(pose)
    trust = (1.0 if targets.surface is None else JOINT_TRUST) / JOINT_METRES
    residuals = [trust * (at.joints[targets.rows] - targets.joints).ravel()]
    rows = [trust * at.by_joints[targets.rows].reshape(-1, COLUMNS)]
    angles = log_map(pose.rotations[1:])
    residuals.append(angles.ravel() / ANGLE_SPREAD)
    turning = np.zeros((BODY_JOINTS - 1, 3, COLUMNS))
    for joint in range(1, BODY_JOINTS):
        # exact at rest, where the prior pulls to
        turning[joint - 1, :, 3 * joint : 3 * joint + 3] = at.above[joint].T / ANGLE_SPREAD
    rows.append(turning.reshape(-1, COLUMNS))
    if targets.surface is not None and targets.weights is not None:
        scale = targets.weights / (SURFACE_METRES * np.sqrt(max(len(targets.surface) / EFFECTIVE_POINTS, 1)))
        residuals.append(((at.points - targets.surface) * scale[:, None]).ravel())
        rows.append((at.by_points * scale[:, None, None]).reshape(-1, COLUMNS))
    residual, jacobian = np.concatenate(residuals), np.concatenate(rows)
    return jacobian.T @ jacobian, jacobian.T @ residual, float(residual @ residual)


def _sum_costs(systems: Sequence[System], poses: Sequence[BodyPose]) -> float:
    betas = poses[0].betas / BETA_SPREAD
    return sum(cost for _, _, cost in systems) + float(betas @ betas)


def _move(
    body: BodyPoints,
    poses: Sequence[BodyPose],
    systems: Sequence[System],
    damping: float,
    shape_is_known: bool,
) -> list[BodyPose]:
    """The poses after one damped step; the shape is theirs together and has one prior."""
    size = COLUMNS - POSE_COLUMNS
    matrix = np.eye(size) / BETA_SPREAD**2
    gradient = poses[0].betas / BETA_SPREAD**2
    solved: list[tuple[Floats, Floats]] = []
    for normal, slope, _ in systems:
        own = normal[:POSE_COLUMNS, :POSE_COLUMNS]
        own = own + damping * np.diag(np.diag(own) + 1.0)
        sides = np.column_stack([slope[:POSE_COLUMNS], normal[:POSE_COLUMNS, POSE_COLUMNS:]])
        both: Floats = np.linalg.solve(own, sides).astype(np.float64)
        solved.append((both[:, 0], both[:, 1:]))
        coupling = normal[POSE_COLUMNS:, :POSE_COLUMNS]
        matrix = matrix + normal[POSE_COLUMNS:, POSE_COLUMNS:] - coupling @ both[:, 1:]
        gradient = gradient + slope[POSE_COLUMNS:] - coupling @ both[:, 0]
    shape: Floats = np.zeros(size)
    if not shape_is_known:
        shape = np.asarray(
            -np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), gradient), np.float64
        )
    return [
        pose.move(np.concatenate([-own - by_shape @ shape, shape]), body.parents)
        for pose, (own, by_shape) in zip(poses, solved, strict=True)
    ]
