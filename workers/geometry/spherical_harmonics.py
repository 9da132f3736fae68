"""Colours that depend on the direction of view: real spherical harmonics of degree 1 to 3, as 3DGS uses them.

The basis has the signs of Kerbl et al. 2023 (those of Sloan, "Stupid spherical harmonics tricks", 2008, with
the Condon-Shortley phase). A colour is that of degree 0 plus basis times coefficients, cut off below 0; the
direction goes from the camera to the Gaussian, in the splat's frame.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Array = NDArray[np.float32]
# The constant function, of degree 0: 1 / (2 sqrt(pi)).
SH_C0 = 0.28209479177387814
# coefficients of a channel beyond degree 0, by degree
COUNTS = (0, 3, 8, 15)
MAX_DEGREE = 3
# enough directions for the seven functions of degree 3, and a fixed seed: the same turn gives the same bytes
_DIRECTIONS = 32
# Gaussians whose colours are computed at a time, which bounds memory
_CHUNK = 1 << 18
# step along the imaginary axis: derivatives are exact to rounding (Squire and Trapp 1998)
_IMAGINARY_STEP = 1e-30


def find_degree(coefficients: int) -> int:
    """The degree of so many coefficients per channel; ValueError for any other number than 0, 3, 8 and 15."""
    if coefficients not in COUNTS:
        raise ValueError(f"{coefficients} coefficients per channel are of no degree from 0 to {MAX_DEGREE}")
    return COUNTS.index(coefficients)


def evaluate_basis(directions: NDArray[Any], degree: int) -> NDArray[Any]:
    """The basis beyond degree 0 at unit vectors (N, 3), as (N, K): K is 3, 8 or 15."""
    x, y, z = np.moveaxis(directions, -1, 0)
    xx, yy, zz = x * x, y * y, z * z
    columns = [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if degree > 1:
        columns += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (2 * zz - xx - yy),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
        ]
    if degree > 2:
        columns += [
            -0.5900435899266435 * y * (3 * xx - yy),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (4 * zz - xx - yy),
            0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
            -0.4570457994644658 * x * (4 * zz - xx - yy),
            1.445305721320277 * z * (xx - yy),
            -0.5900435899266435 * x * (xx - 3 * yy),
        ]
    return np.stack(columns, axis=-1)


def rotate_harmonics(harmonics: Array, rotation: Floats) -> Array:
    """Coefficients (N, K, 3) of a splat that is turned by a matrix (3, 3): its colours turn with it."""
    degree = find_degree(harmonics.shape[1])
    directions = np.random.default_rng(0).normal(size=(_DIRECTIONS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    here = evaluate_basis(directions, degree)
    # a turned function has at d what it had at d turned back
    before = evaluate_basis(directions @ rotation, degree)
    rotated = np.empty_like(harmonics)
    # each degree turns within itself
    for first, last in pairwise(COUNTS[: degree + 1]):
        own = slice(first, last)
        turn = np.linalg.lstsq(here[:, own], before[:, own], rcond=None)[0].astype(np.float32)
        rotated[:, own] = np.einsum("kj,njc->nkc", turn, harmonics[:, own])
    return rotated


def view_colors(colors: Array, harmonics: Array | None, means: Array, camera: Floats) -> Array:
    """Colours (N, 3) as a camera at (3,) sees them: `colors` of degree 0, and what `harmonics` add."""
    if harmonics is None:
        return colors
    degree, seen = find_degree(harmonics.shape[1]), np.empty_like(colors, dtype=np.float32)
    for start in range(0, len(means), _CHUNK):
        rows = slice(start, start + _CHUNK)
        directions, _ = _look(means[rows], camera)
        basis = evaluate_basis(directions, degree)
        seen[rows] = colors[rows] + np.einsum("nk,nkc->nc", basis, harmonics[rows])
    return np.maximum(seen, 0)


def pull_back_colors(
    harmonics: Array, means: Array, camera: Floats, seen: Array, by_seen: Array
) -> tuple[Array, Array, Array]:
    """The gradients of a loss with respect to `colors` (N, 3), `harmonics` (N, K, 3) and `means` (N, 3).

    `seen` (N, 3) are the colours of `view_colors`, `by_seen` the loss's gradients with respect to them. Those
    of the means are what the directions of view contribute.
    """
    degree = find_degree(harmonics.shape[1])
    # what is cut off has no slope
    by_colors = np.where(seen > 0, by_seen, 0).astype(np.float32)
    by_harmonics, by_means = np.empty_like(harmonics), np.empty_like(means)
    for start in range(0, len(means), _CHUNK):
        rows = slice(start, start + _CHUNK)
        directions, distances = _look(means[rows], camera)
        by_harmonics[rows] = evaluate_basis(directions, degree)[:, :, None] * by_colors[rows][:, None]
        by_basis = np.einsum("nkc,nc->nk", harmonics[rows], by_colors[rows])
        by_direction = np.empty_like(directions)
        for axis in range(3):
            shifted = directions + _IMAGINARY_STEP * 1j * np.eye(3)[axis]
            slopes = evaluate_basis(shifted, degree).imag / _IMAGINARY_STEP
            by_direction[:, axis] = np.einsum("nk,nk->n", by_basis, slopes)
        along = np.einsum("na,na->n", by_direction, directions)
        by_means[rows] = (by_direction - along[:, None] * directions) / distances
    return by_colors, by_harmonics, by_means


def _look(means: Array, camera: Floats) -> tuple[Floats, Floats]:
    """Unit vectors (N, 3) from a camera to the means, and the distances (N, 1)."""
    offsets = means.astype(np.float64) - camera
    distances = np.maximum(np.linalg.norm(offsets, axis=1, keepdims=True), 1e-12)
    return offsets / distances, distances
