"""The mirror axis of a mask: where a solid of revolution's axis is seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.coarse_mask import CoarseMask

Array = NDArray[np.float64]
# Slope in columns per row from which a line through the rows' centres is no upright axis; then the vertical
# is taken.
MAX_SLOPE = 0.5
# The same of a principal axis: things stand upright before cameras that are hardly rolled, and every
# ellipse is its own mirror image, so that a slanted one says nothing of a solid of revolution.
MAX_PRINCIPAL_SLOPE = 0.15


@dataclass(frozen=True, slots=True)
class MirrorAxis:
    """A line in the coarse mask: `point` (2,) on it, unit `direction` (2,) upwards, in samples.

    `symmetry` is the IoU of the mask with its mirror image about the line.
    """

    point: Array
    direction: Array
    symmetry: float

    def length_to_width(self, coarse: CoarseMask) -> float:
        """The mask's extent along the axis over that across it."""
        pixels = coarse.pixels() + 0.5 - self.point
        across = pixels @ np.array([-self.direction[1], self.direction[0]])
        return float((np.ptp(pixels @ self.direction) + 1) / (np.ptp(across) + 1))


def find_upright_axis(coarse: CoarseMask) -> MirrorAxis:
    """The nearly upright line that mirrors the mask best.

    Tried are the line through the centres of the mask's rows and the upright one of its principal axes: the
    rows of an ellipse that is a little rolled, such as a plate's, have centres on a slanted line that
    mirrors nothing.
    """
    rows, principal = _fit_row_centres(coarse), _find_principal_axis(coarse)
    is_upright = abs(principal.direction[0]) <= MAX_PRINCIPAL_SLOPE * abs(principal.direction[1])
    return principal if is_upright and principal.symmetry > rows.symmetry else rows


def _find_principal_axis(coarse: CoarseMask) -> MirrorAxis:
    """The principal axis of the mask's second moments that is nearer to the vertical."""
    points = coarse.pixels() + 0.5
    _, axes = np.linalg.eigh(np.cov(points.T) + 1e-9 * np.eye(2))
    direction = axes[:, int(np.abs(axes[1]).argmax())]
    direction = -direction * np.sign(direction[1])
    centre = points.mean(axis=0)
    return MirrorAxis(centre, direction, measure_symmetry(coarse, centre, direction))


def _fit_row_centres(coarse: CoarseMask) -> MirrorAxis:
    """The line through the centres of the mask's rows, or the vertical where it is no upright line."""
    rows = np.flatnonzero(coarse.mask.any(axis=1))
    first = coarse.mask[rows].argmax(axis=1)
    last = coarse.mask.shape[1] - coarse.mask[rows, ::-1].argmax(axis=1)
    centre, width = (first + last) / 2, (last - first).astype(np.float64)
    y = rows + 0.5
    slope, offset = np.polyfit(y, centre, 1, w=np.sqrt(width))
    if abs(slope) > MAX_SLOPE:
        slope, offset = 0.0, float(np.average(centre, weights=width))
    direction = -np.array([slope, 1.0]) / np.hypot(slope, 1)
    mean_y = float(coarse.pixels()[:, 1].mean() + 0.5)
    point = np.array([offset + slope * mean_y, mean_y])
    return MirrorAxis(point, direction, measure_symmetry(coarse, point, direction))


def measure_symmetry(coarse: CoarseMask, point: Array, direction: Array) -> float:
    """IoU of the mask with its mirror image about the line through a point (2,) along a direction (2,)."""
    indices = coarse.pixels()
    normal = np.array([-direction[1], direction[0]])
    pixels = indices + 0.5
    mirrored = pixels - 2 * ((pixels - point) @ normal)[:, None] * normal
    x, y = np.floor(mirrored).astype(np.int64).T
    height, width = coarse.mask.shape
    covered = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    both = int(coarse.mask[y[covered], x[covered]].sum())
    return both / max(2 * len(indices) - both, 1)
