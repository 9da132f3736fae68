"""Distances between point clouds of surfaces, for longest sides of about 1."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
# Points sampled on each surface.
POINTS = 8000


def f_score(a: Array, b: Array, limit: float) -> float:
    """Harmonic mean of the shares of points (N, 3) within `limit` of the other cloud (Knapitsch 2017)."""
    near = [float((cKDTree(x).query(y)[0] <= limit).mean()) for x, y in ((a, b), (b, a))]
    return 2 * near[0] * near[1] / max(sum(near), 1e-12)


def chamfer(a: Array, b: Array) -> float:
    """Mean distance of points (N, 3) to the other cloud, averaged over both directions."""
    return float(cKDTree(a).query(b)[0].mean() + cKDTree(b).query(a)[0].mean()) / 2


def align_similarity(moving: Array, fixed: Array, rounds: int = 30) -> Array:
    """ICP with a similarity (Umeyama 1991), matching both ways so that the scale does not shrink."""
    tree = cKDTree(fixed)
    for _ in range(rounds):
        there, back = tree.query(moving)[1], cKDTree(moving).query(fixed)[1]
        a, b = np.vstack([moving, moving[back]]), np.vstack([fixed[there], fixed])
        mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
        u, s, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a))
        sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
        rotation = u @ sign @ vt
        scale = float((s * np.diag(sign)).sum() / ((a - mean_a) ** 2).sum())
        moving = scale * (moving - mean_a) @ rotation.T + mean_b
    return moving
