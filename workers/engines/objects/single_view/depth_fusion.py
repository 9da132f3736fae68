"""Fusing a predicted front with a depth map: residuals decide, point by point, which of them is believed."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
# Usable values that a map needs inside the mask, in pixels and as a share of it. Chosen, not measured.
MIN_PIXELS, MIN_SHARE = 16, 0.02
# Depth within so many pixels of the rim mixes with the background.
EDGE_PIXELS = 1.5
# A measured value is believed up to so many expected errors away from the prediction, and within bounds in
# sizes of the object.
TRUSTED_ERRORS, LEAST_TRUSTED, MOST_TRUSTED = 6.0, 0.25, 0.5
# Neighbours over which what was measured corrects the prediction in holes and at the rim.
NEIGHBOURS = 8
ROUNDS = 5


def fuse_depth(
    depth: NDArray[np.float32],
    mask: NDArray[np.bool_],
    pixels: Array,
    inside: Array,
    front: Array,
    back: Array,
    error: Array,
    extent: float,
) -> tuple[Array, Array] | None:
    """Front and back (N,) in metres at pixels (N, 2), or None where the map says too little.

    `depth` (H, W) is z in metres; `inside` (N,) the distance to the rim in pixels; `front`, `back` and
    `error` (N,) are predicted with the object at about z = 1, and `extent` is its size there. The scale is
    the robust ratio of measured and predicted depth. Points without a believed value take the prediction,
    moved by the residuals of their neighbours.
    """
    usable = mask & np.isfinite(depth) & (depth > 0)
    if int(usable.sum()) < max(MIN_PIXELS, MIN_SHARE * int(mask.sum())):
        return None
    measured, known = read_depth(depth, usable, pixels)
    known &= inside > EDGE_PIXELS
    if int(known.sum()) < 3:
        return None
    scale, believed = _fit_scale(measured, front, known, error, extent)
    residual = measured - scale * front
    tree = cKDTree(pixels[believed])
    count = min(NEIGHBOURS, int(believed.sum()))
    _, nearest = tree.query(pixels, k=count)
    shift = np.median(residual[believed][nearest.reshape(len(pixels), -1)], axis=1)
    shift[believed] = residual[believed]
    fused = scale * front + shift
    return fused, np.maximum(scale * back, fused)


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
    """The map at pixels (N, 2) between its values, and where these are usable."""
    source = ndimage.distance_transform_edt(~usable, return_distances=False, return_indices=True)
    filled = depth[source[0], source[1]].astype(np.float64)
    where = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    values = ndimage.map_coordinates(filled, where, order=1, mode="nearest")
    height, width = usable.shape
    column = np.clip(pixels[:, 0], 0, width - 1).astype(np.int64)
    row = np.clip(pixels[:, 1], 0, height - 1).astype(np.int64)
    return np.asarray(values), usable[row, column]
