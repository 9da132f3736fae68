"""Spreading the points of a sheet evenly over the inflated surface."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.thickness import Thickness
from workers.engines.objects.single_view.triangulation import Sheet

Array = NDArray[np.float64]
# Rounds of moves, share of the way to the target in each, and attempts to undo moves that fold triangles.
ROUNDS, RELAXATION, UNDO_ATTEMPTS = 6, 0.6, 20
# Smallest area of a triangle after a move, in squared steps of the lattice.
MIN_AREA = 0.02


def spread_evenly(sheet: Sheet, thickness: Thickness) -> Sheet:
    """Slide inner points so that they lie evenly on the inflated surface rather than in the image.

    Neighbours pull with their distance in space, which draws points to the steep rim. A move that would fold
    a triangle is undone, so the outline and the topology stay.
    """
    edges = np.unique(
        np.sort(np.concatenate([sheet.triangles[:, k] for k in ([0, 1], [1, 2], [2, 0])])), axis=0
    )
    both_ways = np.concatenate([edges, edges[:, ::-1]])
    min_area = MIN_AREA * thickness.lattice.step**2
    points = sheet.points.copy()
    for _ in range(ROUNDS):
        target = _weighted_mean_of_neighbours(points, both_ways, sheet, thickness)
        moved = points.copy()
        moved[: sheet.inner] += RELAXATION * (target - points)[: sheet.inner]
        if not _undo_folds(moved, points, sheet.triangles, min_area):
            break
        points = moved
    return replace(sheet, points=points)


def _weighted_mean_of_neighbours(
    points: Array, both_ways: NDArray[np.int64], sheet: Sheet, thickness: Thickness
) -> Array:
    """The mean (P, 2) of each point's neighbours, weighted by their distance on the inflated surface."""
    a, b = both_ways[:, 0], both_ways[:, 1]
    count = len(points)
    height = np.zeros(count)
    height[: sheet.inner] = thickness.at(points[: sheet.inner])
    length = np.sqrt(((points[a] - points[b]) ** 2).sum(axis=1) + (height[a] - height[b]) ** 2)
    total = np.bincount(a, length, minlength=count)
    sums = np.stack([np.bincount(a, length * points[b, k], minlength=count) for k in (0, 1)], axis=1)
    return np.asarray(sums / np.maximum(total, 1e-12)[:, None])


def _undo_folds(moved: Array, points: Array, triangles: NDArray[np.int64], min_area: float) -> bool:
    """Undo moves of `moved` in place that fold a triangle; whether no fold is left."""
    for _ in range(UNDO_ATTEMPTS):
        folded = _signed_areas(moved, triangles) < np.minimum(min_area, _signed_areas(points, triangles))
        if not folded.any():
            return True
        undone = np.unique(triangles[folded])
        moved[undone] = points[undone]
    return False


def _signed_areas(points: Array, triangles: NDArray[np.int64]) -> Array:
    a, b, c = points[triangles[:, 0]], points[triangles[:, 1]], points[triangles[:, 2]]
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return np.asarray(0.5 * (ux * vy - uy * vx), dtype=np.float64)
