"""Fusing a predicted front with a depth map: residuals decide, point by point, which of them is believed."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from workers.engines.objects.single_view.mask_view import MaskView

Array = NDArray[np.float64]
# A point takes the values of pixels at most so far away, in pixels: points of the rim lie between pixels.
REACH_PIXELS = 1.0
# A measured value is believed up to so many expected errors away from the prediction, and within bounds in
# sizes of the object.
TRUSTED_ERRORS, LEAST_TRUSTED, MOST_TRUSTED = 6.0, 0.4, 0.6
# Noise in sizes of the object up to which each value stands for itself: sensors' is about 0.01.
FINE_NOISE = 0.01
# Neighbours over which what was measured corrects the prediction in holes and at the rim, and over which a
# noisy map is averaged.
NEIGHBOURS, NOISY_NEIGHBOURS = 8, 32
ROUNDS = 5


def fuse_depth(
    view: MaskView, pixels: Array, front: Array, back: Array, error: Array, extent: float
) -> tuple[Array, Array] | None:
    """Front and back (N,) in metres at pixels (N, 2), or None where the view's depth says too little.

    `front`, `back` and `error` (N,) are predicted with the object at about z = 1, and `extent` is its size
    there. The scale is the robust ratio of measured and predicted depth. Points without a believed value take
    the prediction, moved by the residuals of their neighbours.
    """
    if view.depth is None or not view.own_depth.any():
        return None
    measured, known = read_depth(view.depth, view.own_depth, pixels)
    if int(known.sum()) < 3:
        return None
    scale, believed = _fit_scale(measured, front, known, error, extent)
    shift = spread_residuals(measured - scale * front, believed, pixels, view.depth_noise)
    fused = scale * front + shift
    return fused, np.maximum(scale * back, fused)


def spread_residuals(residual: Array, believed: NDArray[np.bool_], pixels: Array, noise: float) -> Array:
    """By how much (N,) a prediction is moved at pixels (N, 2), from the residuals of what was measured.

    Believed points, of which there are some, move by their own residual, or by the median of their
    neighbours' where the map is noisy (`noise` in sizes of the object); the others by that of the nearest
    believed ones.
    """
    tree, known = cKDTree(pixels[believed]), residual[believed]
    if noise > FINE_NOISE:
        return _take_local_median(tree, known, pixels, NOISY_NEIGHBOURS)
    shift = _take_local_median(tree, known, pixels, NEIGHBOURS)
    shift[believed] = known
    return shift


def _take_local_median(tree: cKDTree, values: Array, pixels: Array, count: int) -> Array:
    """The median (N,) of the values of the nearest points of a tree."""
    _, nearest = tree.query(pixels, k=min(count, len(values)))
    return np.asarray(np.median(values[nearest.reshape(len(pixels), -1)], axis=1))


def _fit_scale(
    measured: Array, front: Array, known: NDArray[np.bool_], error: Array, extent: float
) -> tuple[float, NDArray[np.bool_]]:
    """Metres per unit of the prediction, and which points are believed."""
    scale = float(np.median(measured[known] / front[known]))
    reach = np.clip(TRUSTED_ERRORS * error, LEAST_TRUSTED * extent, MOST_TRUSTED * extent)
    believed = known
    for _ in range(ROUNDS):
        close = known & (np.abs(measured / scale - front) <= reach)
        if int(close.sum()) < 3:
            break
        believed = close
        scale = float(np.median(measured[believed] / front[believed]))
    return scale, believed


def read_depth(
    depth: NDArray[np.float32], usable: NDArray[np.bool_], pixels: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """The map at pixels (N, 2) between its usable values, of which there are some, and which are near one."""
    distance, source = ndimage.distance_transform_edt(~usable, return_indices=True)
    filled = depth[source[0], source[1]].astype(np.float64)
    where = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    values = ndimage.map_coordinates(filled, where, order=1, mode="nearest")
    height, width = usable.shape
    column = np.clip(pixels[:, 0], 0, width - 1).astype(np.int64)
    row = np.clip(pixels[:, 1], 0, height - 1).astype(np.int64)
    return np.asarray(values), np.asarray(distance[row, column] <= REACH_PIXELS, dtype=np.bool_)
