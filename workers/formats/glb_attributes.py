"""Checking and encoding the arrays that go into a GLB; every function raises ValueError for bad input."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workers.formats.color import srgb_to_linear


def to_numbers(values: ArrayLike, count: int, what: str) -> list[float]:
    """`count` finite numbers; `what` names them in errors."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise ValueError(f"{what} must be {count} finite numbers")
    return [float(value) for value in array]


def to_float_rows(values: ArrayLike, width: int, what: str, rows: int | None = None) -> NDArray[np.float32]:
    """A finite, non-empty array (rows, width), with any number of rows by default."""
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != width or not len(array) or len(array) != (rows or len(array)):
        raise ValueError(f"{what} must have shape ({rows or 'V'}, {width}), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} holds values that are not finite")
    return array


def normalise(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit normals (V, 3); +y where one is zero."""
    vectors = normals.astype(np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0])
    return np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), up).astype(np.float32)


def align_quaternions(wxyz: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit quaternions (T, 4) whose signs are chosen so that neighbours interpolate the short way."""
    unit = wxyz.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    signs = np.where((unit[1:] * unit[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    unit[1:] *= np.cumprod(signs)[:, None]
    return unit.astype(np.float32)


def encode_colors(colors: NDArray[Any], count: int) -> NDArray[np.uint16]:
    """sRGB uint8 (count, 3) as opaque linear RGBA (count, 4), normalised to 16 bits."""
    if colors.dtype != np.uint8 or colors.shape != (count, 3):
        raise ValueError(f"colors must be uint8 of shape ({count}, 3), got {colors.dtype} {colors.shape}")
    rgba = np.full((count, 4), 65535, dtype=np.uint16)
    rgba[:, :3] = np.round(srgb_to_linear(colors) * 65535.0).astype(np.uint16)
    return rgba


def encode_skin(
    joints: NDArray[Any], weights: NDArray[np.float32]
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.float32]]:
    """JOINTS_0 and WEIGHTS_0 (V, 4): repeated joints merged, weights normalised, unused joints 0."""
    if joints.shape != weights.shape or joints.dtype.kind not in "ui":
        raise ValueError(
            f"joints must be integers of shape {weights.shape}, got {joints.dtype} {joints.shape}"
        )
    if joints.min() < 0 or joints.max() > 65535:
        raise ValueError("joints must lie in 0..65535")
    merged = weights.astype(np.float64)
    # In a valid file a joint occurs once per vertex.
    for later, first in ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)):
        same = joints[:, later] == joints[:, first]
        merged[same, first] += merged[same, later]
        merged[same, later] = 0.0
    total = merged.sum(axis=1, keepdims=True)
    if weights.min() < 0 or total.min() <= 0:
        raise ValueError("weights must be at least 0, with a positive sum for every vertex")
    unit = (merged / total).astype(np.float32)
    # The Khronos validator warns about joints without weight.
    used = np.where(unit > 0, joints, 0)
    return (used.astype(np.uint8) if used.max() <= 255 else used.astype(np.uint16)), unit
