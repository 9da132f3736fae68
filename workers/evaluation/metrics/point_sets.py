"""Points on surfaces: sampled, normalised, compared and aligned."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError, cKDTree
from scipy.spatial.distance import pdist

from workers.engines.bodies.rotations import kabsch
from workers.engines.objects.splats.surfels import sample_surface
from workers.geometry.meshes import Mesh

Floats = NDArray[np.float64]
# Points that take part in an alignment, steps at most, and the step in units of the target below which it
# ends. Chosen, not measured.
ICP_POINTS, ICP_STEPS, ICP_TOLERANCE = 5000, 100, 1e-7


def sample_points(mesh: Mesh, count: int, seed: int) -> Floats:
    """`count` points (N, 3) on a mesh in proportion to area."""
    return sample_surface(mesh.vertices, mesh.faces, count, seed).interpolate(mesh.vertices, mesh.faces)


def normalise_extent(vertices: Floats) -> Floats:
    """Vertices (V, 3) moved and scaled so that the longest side of their box is [-1, 1]."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    half = float((high - low).max()) / 2
    return np.asarray((vertices - (low + high) / 2) / max(half, 1e-12))


def measure_distances(points: Floats, others: Floats) -> Floats:
    """The distance (N,) from each point (N, 3) to the nearest of the others (M, 3)."""
    return np.asarray(cKDTree(others).query(points, workers=-1)[0], np.float64)


def measure_diameter(points: Floats) -> float:
    """The largest distance between two of the points (N, 3)."""
    try:
        points = points[ConvexHull(points).vertices]
    except QhullError:
        # flat or too few points have no hull
        points = points[:ICP_POINTS]
    return float(pdist(points).max())


def align_points(
    source: Floats, target: Floats, initial: Floats | None = None
) -> tuple[Floats, Floats, float]:
    """Rotation (3, 3), translation (3,) and remaining mean distance of iterative closest points.

    Besl and McKay, "A Method for Registration of 3-D Shapes" (1992): rigid, from `initial` (identity when
    None) on, with evenly chosen points.
    """
    moving, tree = thin_points(source), cKDTree(thin_points(target))
    rotation, translation = np.eye(3) if initial is None else initial, np.zeros(3)
    ones, last = np.ones(len(moving)), np.inf
    for _ in range(ICP_STEPS):
        placed = moving @ rotation.T + translation
        distances, nearest = tree.query(placed)
        error = float(np.mean(distances))
        if min(last - error, error) < ICP_TOLERANCE:
            last = min(last, error)
            break
        last, matched = error, tree.data[nearest]
        rotation = kabsch(moving, matched, ones)
        translation = matched.mean(axis=0) - rotation @ moving.mean(axis=0)
    return rotation, translation, last


def thin_points(points: Floats, count: int = ICP_POINTS) -> Floats:
    """At most `count` points, evenly chosen."""
    return points[np.linspace(0, len(points) - 1, min(count, len(points))).astype(np.int64)]
