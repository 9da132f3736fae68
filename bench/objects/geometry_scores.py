"""F-scores, Chamfer distance and similarity ICP of point sets, and cameras on an orbit."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from workers.geometry.poses import Similarity, look_at

Array = NDArray[np.float64]


def orbit(azimuth: float, elevation: float, distance: float) -> Similarity:
    """Camera from world of a camera that looks at the origin; angles in degrees."""
    a, e = np.radians(azimuth), np.radians(elevation)
    eye = distance * np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    return look_at(eye, [0, 0, 0])


def f_score(a: Array, b: Array, limit: float) -> float:
    """Harmonic mean of the shares of points (N, 3) and (M, 3) that lie within `limit` of the other set."""
    near = [float((cKDTree(x).query(y)[0] <= limit).mean()) for x, y in ((a, b), (b, a))]
    return 2 * near[0] * near[1] / max(sum(near), 1e-12)


def chamfer(a: Array, b: Array) -> float:
    """Mean of the two mean distances to the nearest point of the other set."""
    return float(cKDTree(a).query(b)[0].mean() + cKDTree(b).query(a)[0].mean()) / 2


def icp(moving: Array, fixed: Array, rounds: int = 30) -> Array:
    """Similarity ICP (Umeyama 1991), matching both ways so that the scale does not shrink."""
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
