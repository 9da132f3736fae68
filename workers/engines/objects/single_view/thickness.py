"""How thick an inflated outline is: a Poisson equation, capped by the radius of the largest inscribed disc.

The square of the half thickness solves the Poisson equation of membrane inflation, which gives a sphere for a
disc; the cap keeps wide flat shapes and joints from swelling.
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

from workers.engines.objects.single_view.outline import Lattice, find_nearest_inside
from workers.engines.objects.single_view.triangulation import Sheet

Array = NDArray[np.float64]
# Soft cap of the half thickness, in radii of the largest inscribed disc.
CAP = 1.2
# Power of the soft minimum of height and cap.
CAP_POWER = 4
# Smallest half thickness, in steps of the lattice, so that front and back never meet.
MIN_STEPS = 0.05
# Distance to the rim, in steps, from which the ratio of height and distance is reliable.
RELIABLE_STEPS = 1.5
# Standard deviations of smoothing, in steps: of the gain, and of the discs' radii.
GAIN_BLUR, RADIUS_BLUR = 1.0, 3.0
NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@dataclass(frozen=True, slots=True)
class Thickness:
    """Half thickness in pixels at any pixel: sqrt(distance to the rim * gain), never under `minimum`."""

    lattice: Lattice
    gain: Array
    rim: cKDTree
    minimum: float

    def distance(self, pixels: Array) -> Array:
        """Distance in pixels from points (N, 2) inside to the rim."""
        return np.asarray(self.rim.query(pixels)[0], dtype=np.float64)

    def at(self, pixels: Array) -> Array:
        """Half thickness in pixels at points (N, 2) inside."""
        where = self.lattice.to_indices(pixels)
        gain = ndimage.map_coordinates(self.gain, where, order=1, mode="nearest")
        return np.maximum(np.sqrt(self.distance(pixels) * gain), self.minimum)


def estimate_thickness(lattice: Lattice, sheet: Sheet, factor: float = 1.0) -> Thickness:
    """The thickness of the inside of an outline, times `factor`."""
    inside = lattice.field > 0.5
    rim_points = sheet.points[sheet.rim_edges].mean(axis=1)
    rim = cKDTree(np.concatenate([sheet.points[sheet.inner :], rim_points]))
    distance = np.asarray(rim.query(sheet.points[: sheet.inner])[0], dtype=np.float64)
    height = np.sqrt(_solve_poisson(inside)[inside]) * lattice.step
    cap = CAP * _inscribed_radius(inside)[inside] * lattice.step
    capped = factor * height * cap / (height**CAP_POWER + cap**CAP_POWER) ** (1 / CAP_POWER)
    gain = np.zeros(inside.shape)
    gain[inside] = capped**2 / np.maximum(distance, MIN_STEPS * lattice.step)
    reliable = np.zeros_like(inside)
    reliable[inside] = distance >= RELIABLE_STEPS * lattice.step
    labels, _ = ndimage.label(inside)
    # parts that are too thin to have a reliable point keep their own values
    thin = ~np.isin(labels, np.unique(labels[reliable])) & inside
    rows, columns = find_nearest_inside(reliable | thin)
    gain = ndimage.gaussian_filter(gain[rows, columns], GAIN_BLUR)
    return Thickness(lattice, gain, rim, MIN_STEPS * lattice.step)


def _solve_poisson(inside: NDArray[np.bool_]) -> Array:
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


def _inscribed_radius(inside: NDArray[np.bool_]) -> Array:
    """At each sample the radius, in steps, of the largest inscribed disc that covers it, smoothed."""
    axis, radius = medial_axis(inside, return_distance=True, rng=0)
    rows, columns = np.nonzero(axis)
    radii = radius[rows, columns]
    largest = radius.astype(np.float32)
    for k in np.argsort(radii, kind="stable"):
        cv2.circle(largest, (int(columns[k]), int(rows[k])), round(radii[k]), float(radii[k]), -1)
    largest = np.where(inside, np.maximum(largest, radius), 0)
    weight = ndimage.gaussian_filter(inside.astype(np.float64), RADIUS_BLUR)
    blurred = ndimage.gaussian_filter(largest.astype(np.float64), RADIUS_BLUR)
    return np.where(inside, blurred / np.maximum(weight, 1e-9), 0.0)
