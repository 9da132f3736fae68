"""Rotation vectors and matrices in batches, with the derivatives that a fit needs.

Formulas: Solà, Deray and Atchuthan, "A micro Lie theory for state estimation in robotics" (2018), SO(3).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALL = 1e-6
# Cosine of the angle under which the antisymmetric part of a matrix no longer gives the axis well.
HALF_TURN = -0.9


def hat(vectors: Floats) -> Floats:
    """Cross-product matrices (..., 3, 3) of vectors (..., 3): hat(a) @ b = a x b."""
    out = np.zeros((*vectors.shape, 3))
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    out[..., 0, 1], out[..., 0, 2] = -z, y
    out[..., 1, 0], out[..., 1, 2] = z, -x
    out[..., 2, 0], out[..., 2, 1] = -y, x
    return out


def exp_map(vectors: Floats) -> Floats:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) in radians (eq. 146)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    safe = np.maximum(angle, SMALL)
    k = hat(vectors)
    first = np.where(angle > SMALL, np.sin(safe) / safe, 1.0)
    second = np.where(angle > SMALL, (1 - np.cos(safe)) / safe**2, 0.5)
    return np.eye(3) + first * k + second * (k @ k)


def log_map(matrices: Floats) -> Floats:
    """Rotation vectors (..., 3), angle in [0, pi], of rotation matrices (..., 3, 3)."""
    cosine = 0.5 * (np.trace(matrices, axis1=-2, axis2=-1)[..., None] - 1.0)
    if cosine.size and cosine.min() > HALF_TURN:
        turned = np.take(matrices.reshape(*matrices.shape[:-2], 9), [[7, 2, 3], [5, 6, 1]], axis=-1)
        axis: Floats = 0.5 * (turned[..., 0, :] - turned[..., 1, :])
        sine = np.sqrt((axis**2).sum(axis=-1, keepdims=True))
        return axis * np.where(sine > SMALL, np.arctan2(sine, cosine) / np.maximum(sine, SMALL), 1.0)
    wxyz = quaternions(matrices)
    length = np.linalg.norm(wxyz[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(length, wxyz[..., :1])
    factor = np.where(length > SMALL, angle / np.maximum(length, SMALL), 2.0)
    return factor * wxyz[..., 1:]


def orthonormalise(matrices: Floats) -> Floats:
    """The rotations (..., 3, 3) nearest to products that have drifted from rotations by rounding.

    One step of Newton's iteration for the polar decomposition (Higham 1986), without its inverse.
    """
    return matrices @ (1.5 * np.eye(3) - 0.5 * np.swapaxes(matrices, -1, -2) @ matrices)


def quaternions(matrices: Floats) -> Floats:
    """Unit quaternions wxyz (..., 4), w >= 0, of rotation matrices (..., 3, 3).

    The largest of the four squared components is the divisor, so no angle is special (Shepperd 1978).
    """
    m = matrices
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    table = np.empty((*m.shape[:-2], 4, 4))
    table[..., 0, 0] = 1 + xx + yy + zz
    table[..., 1, 1] = 1 + xx - yy - zz
    table[..., 2, 2] = 1 - xx + yy - zz
    table[..., 3, 3] = 1 - xx - yy + zz
    table[..., 0, 1] = table[..., 1, 0] = m[..., 2, 1] - m[..., 1, 2]
    table[..., 0, 2] = table[..., 2, 0] = m[..., 0, 2] - m[..., 2, 0]
    table[..., 0, 3] = table[..., 3, 0] = m[..., 1, 0] - m[..., 0, 1]
    table[..., 1, 2] = table[..., 2, 1] = m[..., 0, 1] + m[..., 1, 0]
    table[..., 1, 3] = table[..., 3, 1] = m[..., 0, 2] + m[..., 2, 0]
    table[..., 2, 3] = table[..., 3, 2] = m[..., 1, 2] + m[..., 2, 1]
    best = np.argmax(np.diagonal(table, axis1=-2, axis2=-1), axis=-1)
    row = np.take_along_axis(table, best[..., None, None], axis=-2)[..., 0, :]
    unit = row / np.linalg.norm(row, axis=-1, keepdims=True)
    positive: Floats = np.where(unit[..., :1] < 0, -unit, unit)
    return positive


def from_quaternions(wxyz: Floats) -> Floats:
    """Rotation matrices (..., 3, 3) of quaternions wxyz (..., 4), normalised here."""
    w, x, y, z = np.moveaxis(wxyz / np.linalg.norm(wxyz, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def right_jacobian_inverse(vectors: Floats) -> Floats:
    """d log(exp(v) exp(w)) / dw at w = 0, (..., 3, 3), for rotation vectors (..., 3) (eq. 144)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    safe = np.clip(angle, SMALL, 2 * np.pi - 1e-3)
    k = hat(vectors)
    exact = 1 / safe**2 - (1 + np.cos(safe)) / (
        2 * safe * np.sin(np.where(safe == np.pi, np.pi - 1e-9, safe))
    )
    second = np.where(angle > 1e-3, exact, 1 / 12)
    return np.eye(3) + 0.5 * k + second * (k @ k)


def swing(source: Floats, target: Floats) -> Floats:
    """The smallest rotation (3, 3) that turns the direction of `source` (3,) into that of `target` (3,)."""
    a = source / np.linalg.norm(source)
    b = target / np.linalg.norm(target)
    cosine = float(a @ b)
    if cosine < -1 + 1e-9:
        # Opposite directions leave the axis free: any one across them will do.
        axis = np.cross(a, np.eye(3)[int(np.argmin(np.abs(a)))])
        return exp_map(np.pi * axis / np.linalg.norm(axis))
    k = hat(np.cross(a, b))
    turned: Floats = np.eye(3) + k + (k @ k) / (1 + cosine)
    return turned


def frame(primary: Floats, secondary: Floats) -> Floats:
    """Orthonormal columns (3, 3): along `primary`, `secondary` made square to it, and their cross product."""
    x = primary / np.linalg.norm(primary)
    y = secondary - (secondary @ x) * x
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def kabsch(source: Floats, target: Floats, weights: Floats) -> Floats:
    """The rotation (3, 3) that best maps centred points (N, 3) onto centred points (N, 3) (Kabsch 1976)."""
    a = source - np.average(source, axis=0, weights=weights)
    b = target - np.average(target, axis=0, weights=weights)
    u, _, vt = np.linalg.svd((a * weights[:, None]).T @ b)
    sign = np.sign(np.linalg.det(vt.T @ u.T))
    rotation: Floats = vt.T @ np.diag([1.0, 1.0, sign]) @ u.T
    return rotation
