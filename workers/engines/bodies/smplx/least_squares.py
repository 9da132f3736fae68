"""Least squares over one or several poses of one body that share their shape."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import log_map
from workers.engines.bodies.shared_least_squares import SharedPrior, System, minimise
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

    def build(current: Sequence[BodyPose]) -> list[System]:
        return [_build_system(body, *pair) for pair in zip(current, targets, strict=True)]

    return minimise(
        poses,
        build,
        lambda pose, step: pose.move(step, body.parents),
        lambda pose: pose.betas,
        SharedPrior(np.full(COLUMNS - POSE_COLUMNS, BETA_SPREAD)),
        steps,
        shared_is_known=shape_is_known,
    )


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
