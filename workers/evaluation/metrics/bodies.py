"""Errors of joints and vertices of one body, in millimetres."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import kabsch

Floats = NDArray[np.float64]
MILLIMETRES = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class PosedBody:
    """Vertices (V, 3) and joints (J, 3) in metres."""

    vertices: Floats
    joints: Floats


def score_body(found: PosedBody, truth: PosedBody, hips: tuple[int, int]) -> dict[str, float]:
    """PA-MPJPE, MPJPE and PVE of two bodies with the same vertices and joints.

    They are moved onto each other by the middle of their `hips` (two joints); PA also turns and scales.
    """
    own, other = found.joints[list(hips)].mean(axis=0), truth.joints[list(hips)].mean(axis=0)
    return {
        "PA-MPJPE": measure_mean_distance(align_similar(found.joints, truth.joints), truth.joints),
        "MPJPE": measure_mean_distance(found.joints - own, truth.joints - other),
        "PVE": measure_mean_distance(found.vertices - own, truth.vertices - other),
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
