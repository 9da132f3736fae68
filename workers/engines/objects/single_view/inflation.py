"""How thick an outline is: Poisson inflation, capped by the radius of the largest disc that fits.

The square of the half thickness solves the Poisson equation of membrane inflation, which gives a sphere
for a disc; the cap keeps wide flat shapes and joints from swelling.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree
from skimage.morphology import medial_axis

from workers.engines.objects.single_view.outline import Lattice, nearest_inside
from workers.engines.objects.single_view.triangulation import Sheet

CAP = 1.2
LEAST = 0.05
RELIABLE_STEPS = 1.5
NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@dataclass(frozen=True, slots=True)
class Thickness:
    """Half thickness in pixels at any pixel: sqrt(distance to the rim * gain), never under `floor`."""

    lattice: Lattice
    gain: NDArray[np.float64]
    rim: cKDTree
    floor: float

    def distance(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance in pixels from points (N, 2) inside to the rim."""
        return np.asarray(self.rim.query(pixels)[0], dtype=np.float64)

    def at(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Half thickness in pixels at points (N, 2) inside."""
        where = self.lattice.coordinates(pixels)
        gain = ndimage.map_coordinates(self.gain, where, order=1, mode="nearest")
        return np.maximum(np.sqrt(self.distance(pixels) * gain), self.floor)


def inflate(lattice: Lattice, sheet: Sheet, factor: float = 1.0) -> Thickness:
    """The thickness of the inside of an outline, times `factor`."""
    inside = lattice.field > 0.5
    rim_points = sheet.points[sheet.rim_edges].mean(axis=1)
    rim = cKDTree(np.concatenate([sheet.points[sheet.inner :], rim_points]))
    distance = np.asarray(rim.query(sheet.points[: sheet.inner])[0], dtype=np.float64)
    height = np.sqrt(_poisson(inside)[inside]) * lattice.step
    cap = CAP * _disc_radius(inside)[inside] * lattice.step
    smooth = factor * height * cap / (height**4 + cap**4) ** 0.25
    gain = np.zeros(inside.shape)
    gain[inside] = smooth**2 / np.maximum(distance, LEAST * lattice.step)
    # Next to the rim both height and distance are too small to divide.
    reliable = np.zeros_like(inside)
    reliable[inside] = distance >= RELIABLE_STEPS * lattice.step
    labels, _ = ndimage.label(inside)
    lost = ~np.isin(labels, np.unique(labels[reliable])) & inside
    source = nearest_inside(reliable | lost)
    gain = gain[source[0], source[1]]
    gain = ndimage.gaussian_filter(gain, 1.0)
    return Thickness(lattice, gain, rim, LEAST * lattice.step)


def _poisson(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Solve laplace(u) = -4 inside with u = 0 outside, in units of the step; u is R^2 - r^2 in a disc."""
    count = int(inside.sum())
    ids = np.full(inside.shape, -1, dtype=np.int64)
    ids[inside] = np.arange(count)
    here = ids[inside]
    rows, columns, values = [here], [here], [np.full(count, 4.0)]
    for shift in NEIGHBOURS:
        there = np.roll(ids, shift, (0, 1))[inside]
        joined = there >= 0
        rows.append(here[joined])
        columns.append(there[joined])
        values.append(np.full(int(joined.sum()), -1.0))
    matrix = sparse.csc_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    )
    out = np.zeros(inside.shape)
    out[inside] = spsolve(matrix, np.full(count, 4.0), permc_spec="MMD_AT_PLUS_A")
    return out


def _disc_radius(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """At each sample the radius, in steps, of the largest inscribed disc that covers it, smoothed."""
    axis, radius = medial_axis(inside, return_distance=True, rng=0)
    rows, columns = np.nonzero(axis)
    radii = radius[rows, columns]
    drawn = radius.astype(np.float32)
    for k in np.argsort(radii, kind="stable"):
        cv2.circle(drawn, (int(columns[k]), int(rows[k])), round(radii[k]), float(radii[k]), -1)
    drawn = np.where(inside, np.maximum(drawn, radius), 0)
    weight = ndimage.gaussian_filter(inside.astype(np.float64), 3.0)
    blurred = ndimage.gaussian_filter(drawn.astype(np.float64), 3.0)
    return np.where(inside, blurred / np.maximum(weight, 1e-9), 0.0)


def spread_evenly(sheet: Sheet, thickness: Thickness, rounds: int = 6) -> Sheet:
    """Slide inner points so that they lie evenly on the inflated surface rather than on the image.

    Neighbours pull with their distance in space, which draws points to the steep rim. A move that would
    turn a triangle over is undone, so the outline and the topology stay.
    """
    edges = np.unique(
        np.sort(np.concatenate([sheet.triangles[:, k] for k in ([0, 1], [1, 2], [2, 0])])), axis=0
    )
    a, b = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
    points = sheet.points.copy()
    count = len(points)
    floor = 0.02 * thickness.lattice.step**2
    for _ in range(rounds):
        height = np.zeros(count)
        height[: sheet.inner] = thickness.at(points[: sheet.inner])
        length = np.sqrt(((points[a] - points[b]) ** 2).sum(axis=1) + (height[a] - height[b]) ** 2)
        total = np.bincount(a, length, minlength=count)
        target = (
            np.stack([np.bincount(a, length * points[b, k], minlength=count) for k in (0, 1)], axis=1)
            / np.maximum(total, 1e-12)[:, None]
        )
        moved = points.copy()
        moved[: sheet.inner] += 0.6 * (target - points)[: sheet.inner]
        for _ in range(20):
            bad = _areas(moved, sheet.triangles) < np.minimum(floor, _areas(points, sheet.triangles))
            if not bad.any():
                break
            undo = np.unique(sheet.triangles[bad])
            moved[undo] = points[undo]
        else:
            return Sheet(points, sheet.inner, sheet.triangles, sheet.rim_edges)
        points = moved
    return Sheet(points, sheet.inner, sheet.triangles, sheet.rim_edges)


def _areas(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.float64]:
    a, b, c = points[triangles[:, 0]], points[triangles[:, 1]], points[triangles[:, 2]]
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return np.asarray(0.5 * (ux * vy - uy * vx), dtype=np.float64)
