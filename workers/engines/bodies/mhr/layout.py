"""How MHR writes a pose: 204 numbers, Euler angles, and axes. MHR is y up, facing +z, in metres here.

Verified on four real outputs of SAM 3D Body (`test_layout.py` of its tests): the global rotation is
Rz(c) Ry(b) Rx(a) of the angles (a, b, c), to 8e-8; a point of MHR's frame is F p in the camera's axes
(OpenCV) with F = diag(1, -1, -1); joint rotations as SAM 3D Body gives them are in MHR's frame, not F's.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.geometry.poses import OPENGL_FROM_OPENCV

Floats = NDArray[np.float64]
JOINTS, VERTICES, PARAMETERS = 127, 18439, 204
# Translation (tenths of a metre), Euler angles of the root, 130 angles of joints, 68 scales.
TRANSLATION, ROTATION, POSE, SCALES = slice(0, 3), slice(3, 6), slice(6, 136), slice(136, 204)
# F is its own inverse: it turns MHR's axes into the camera's and back.
CAMERA_FROM_MHR: Floats = OPENGL_FROM_OPENCV


def from_euler(angles: Floats) -> Floats:
    """Rotation matrices (..., 3, 3) of MHR's Euler angles (..., 3) in radians: Rz(c) Ry(b) Rx(a)."""
    lead = angles.shape[:-1]
    matrices = Rotation.from_euler("xyz", angles.reshape(-1, 3)).as_matrix()
    return np.asarray(matrices, dtype=np.float64).reshape(*lead, 3, 3)


def to_euler(matrices: Floats) -> Floats:
    """MHR's Euler angles (..., 3) in radians of rotations (..., 3, 3); the inverse of `from_euler`."""
    lead = matrices.shape[:-2]
    angles = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_euler("xyz")
    return np.asarray(angles, dtype=np.float64).reshape(*lead, 3)


def to_6d(matrices: Floats) -> Floats:
    """The continuous form (..., 6) of rotations (..., 3, 3): first column, then second (Zhou et al. 2019)."""
    return np.concatenate([matrices[..., 0], matrices[..., 1]], axis=-1)


def from_6d(six: Floats) -> Floats:
    """Rotations (..., 3, 3) of the continuous form (..., 6), by Gram-Schmidt."""
    a, b = six[..., :3], six[..., 3:]
    x = a / np.linalg.norm(a, axis=-1, keepdims=True)
    y = b - (x * b).sum(axis=-1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def reset_pose(parameters: Floats) -> Floats:
    """The same person (204,) unposed and at the origin: scales kept, everything else zero."""
    out = np.zeros_like(parameters)
    out[SCALES] = parameters[SCALES]
    return out
