"""One shape for a person who was seen many times."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Shapes that lie apart by less than this are one: half a centimetre.
LEAST_SPREAD = 0.005


def robust_weights(shapes: Floats, trust: Floats) -> Floats:
    """Weights (S,) that sum to 1 for shapes (S, J, 3), rest joints in metres, with trust (S,) in [0, 1].

    Cauchy weights about the median: w = trust / (1 + (d / s)^2), d the RMS distance from the median shape
    and s its median (Holland and Welsch, 1977). A frame that measured a child or a giant hardly counts.
    """
    middle = np.median(shapes, axis=0)
    distance = np.sqrt(((shapes - middle) ** 2).sum(axis=-1).mean(axis=-1))
    spread = max(float(np.median(distance)), LEAST_SPREAD)
    weights = np.maximum(trust, 1e-3) / (1.0 + (distance / spread) ** 2)
    normal: Floats = weights / weights.sum()
    return normal


def measure_size(rest_joints: Floats) -> Floats:
    """How large a body is (...): RMS distance in metres of rest joints (..., J, 3) from their middle."""
    middle = rest_joints.mean(axis=-2, keepdims=True)
    found: Floats = np.sqrt(((rest_joints - middle) ** 2).sum(axis=-1).mean(axis=-1))
    return found
