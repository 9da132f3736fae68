"""One shape for a person from the estimates of many frames."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Lower bound of the spread between shapes, in metres, so that equal shapes do not divide by zero. Chosen,
# not measured.
MIN_SPREAD = 0.005


def robust_weights(shapes: Floats, confidence: Floats) -> Floats:
    """Weights (S,) that sum to 1 for shapes (S, J, 3), rest joints in metres, with confidence (S,) in [0, 1].

    Cauchy weights about the median: w = confidence / (1 + (d / s)^2), d the RMS distance from the median
    shape and s its median (Holland and Welsch, 1977). A frame with an outlying shape hardly counts.
    """
    middle = np.median(shapes, axis=0)
    distance = np.sqrt(((shapes - middle) ** 2).sum(axis=-1).mean(axis=-1))
    spread = max(float(np.median(distance)), MIN_SPREAD)
    weights = np.maximum(confidence, 1e-3) / (1.0 + (distance / spread) ** 2)
    normal: Floats = weights / weights.sum()
    return normal


def measure_size(rest_joints: Floats) -> Floats:
    """The size (...) of a body: RMS distance in metres of rest joints (..., J, 3) from their middle."""
    middle = rest_joints.mean(axis=-2, keepdims=True)
    spread: Floats = np.sqrt(((rest_joints - middle) ** 2).sum(axis=-1).mean(axis=-1))
    return spread
