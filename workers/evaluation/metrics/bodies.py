"""Errors of joints and vertices of one body, in millimetres."""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import kabsch

Floats = NDArray[np.float64]
MILLIMETRES = 1000.0


def score_body(found: Floats, truth: Floats, regressor: Floats, hips: tuple[int, int]) -> dict[str, float]:
    """PA-MPJPE, MPJPE and PVE of vertices (V, 3) in metres; joints of both are `regressor` (J, V) @ vertices.

    Bodies are moved onto each other by the middle of their `hips` (two joints); PA also turns and scales.
    """
    joints, true_joints = regressor @ found, regressor @ truth
    own, other = (points[list(hips)].mean(axis=0) for points in (joints, true_joints))
    return {
        "PA-MPJPE": measure_mean_distance(align_similar(joints, true_joints), true_joints),
        "MPJPE": measure_mean_distance(joints - own, true_joints - other),
        "PVE": measure_mean_distance(found - own, truth - other),
    }


def align_similar(source: Floats, target: Floats) -> Floats:
    """Points (N, 3) turned, scaled and moved onto others by least squares (Umeyama, 1991)."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    turned = a @ kabsch(source, target, np.ones(len(source))).T
    scale = float((turned * b).sum() / max(float((a * a).sum()), 1e-12))
    return np.asarray(scale * turned + target.mean(axis=0))


def measure_mean_distance(found: Floats, truth: Floats) -> float:
    """The mean distance between corresponding points (N, 3) in metres, in millimetres."""
    return float(np.linalg.norm(found - truth, axis=1).mean()) * MILLIMETRES
