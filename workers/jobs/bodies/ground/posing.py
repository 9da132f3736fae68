"""Poses of many frames at once."""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import from_quaternions
from workers.engines.protocols import Rig

Floats = NDArray[np.float64]


def pose_frames(rig: Rig, rotations: Floats, positions: Floats) -> tuple[Floats, Floats]:
    """Global rotations (T, J, 3, 3) and joints (T, J, 3) of local rotations (T, J, 4) and roots (T, 3).

    Frames whose values are NaN stay NaN. The formula is that of `workers.engines.bodies.anny`.
    """
    local = from_quaternions(rotations)
    turned, joints = np.empty_like(local), np.empty(local.shape[:-1])
    for j, p in enumerate(rig.parents):
        if p < 0:
            turned[:, j], joints[:, j] = local[:, j], positions
        else:
            turned[:, j] = turned[:, p] @ local[:, j]
            joints[:, j] = joints[:, p] + turned[:, p] @ (rig.rest_joints[j] - rig.rest_joints[p])
    return turned, joints
