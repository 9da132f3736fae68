"""Signed distances on a grid of points, and the surface at their zero level."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

Array = NDArray[np.float64]
Distances = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A cube of points: `side` points along each axis from `low` (3,), `step` apart, turned by `axes`.

    `axes` (3, 3) has the grid's directions in the world as rows; the second one is up. Lengths are in the
    world's unit.
    """

    low: Array
    step: float
    side: int
    axes: Array

    def layer(self, index: int) -> Array:
        """World points (side * side, 3) of the layer at the first coordinate `index`."""
        k = np.arange(self.side) * self.step
        y, z = np.meshgrid(k, k, indexing="ij")
        local = np.stack([np.full(y.size, index * self.step), y.ravel(), z.ravel()], axis=1) + self.low
        return np.asarray(local @ self.axes)

    def to_world(self, indices: Array) -> Array:
        """World points (N, 3) of grid coordinates (N, 3)."""
        return np.asarray((indices * self.step + self.low) @ self.axes)

    def to_indices(self, points: Array) -> Array:
        """Grid coordinates (N, 3) of world points (N, 3)."""
        return np.asarray((points @ self.axes.T - self.low) / self.step)

    def heights(self) -> Array:
        """Heights (side,) of the layers along the second axis."""
        return np.asarray(np.arange(self.side) * self.step + self.low[1])


class EmptyHullError(ValueError):
    """No point lies inside all masks: the cameras or the masks are wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class DistanceField:
    """Signed distances `values` (side, side, side) in the world's unit, positive inside the object."""

    grid: Grid
    values: Distances

    def is_empty(self) -> bool:
        """Whether no point of the grid is inside."""
        return not bool((self.values > 0).any())

    def with_values(self, values: Distances) -> "DistanceField":
        """Other values on the same grid."""
        return DistanceField(self.grid, values)

    def clip_below(self, height: float) -> "DistanceField":
        """Without what lies below a height along the grid's second axis."""
        above = (self.grid.heights() - height).astype(np.float32)
        return self.with_values(np.asarray(np.minimum(self.values, above[None, :, None]), dtype=np.float32))

    def extract_mesh(self) -> tuple[Array, NDArray[np.int64]]:
        """The zero level as a closed mesh: world vertices (V, 3), faces (F, 3) counter-clockwise outside.

        Raises EmptyHullError where nothing is inside.
        """
        side, step = self.grid.side, self.grid.step
        smooth = cv2.GaussianBlur(self.values.reshape(side, -1), (1, 3), 0).reshape(self.values.shape)
        padded = np.pad(smooth, 1, constant_values=-step)
        if padded.max() <= 0:
            raise EmptyHullError("nothing is left of the object: the cameras do not fit the masks")
        vertices, faces, _, _ = marching_cubes(padded, 0.0)
        # skimage winds faces towards higher values, which are inside here
        return self.grid.to_world(vertices.astype(np.float64) - 1), faces[:, ::-1].astype(np.int64)
