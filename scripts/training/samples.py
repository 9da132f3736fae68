"""Samples that the shape prior learns from: a crop of an object, and its two-sided depth."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scripts.training.primitives import Array
from scripts.training.two_sided import TwoSided, rasterize_two_sided
from workers.engines.objects.single_view.prior_input import FILL, SIDE, turn_to
from workers.geometry.meshes import face_normals, vertex_normals

# Images are drawn so many times finer than the crop, and averaged.
OVERSAMPLING = 2
# Distances from the camera in longest sides, and pitches and rolls in degrees.
DISTANCES, PITCHES, ROLL = (1.3, 6.0), (-10.0, 75.0), 4.0
# Cosine between a face's normal and the smooth one of a corner below which there is an edge.
CREASE = 0.8
# Share of painted parts that carry a print.
PRINTED_SHARE = 0.45


@dataclass(frozen=True)
class Sample:
    """`rgb` (S, S, 3) and `mask` (S, S) uint8; `front` and `back` (S, S) float16, NaN outside.

    Depths are (z - middle) / size, where `middle` is that of the object's depths and `size` its extent in the
    image at that depth. `tangent` is that of half the crop's field of view.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    front: NDArray[np.float16]
    back: NDArray[np.float16]
    tangent: float


def render_sample(
    rng: np.random.Generator,
    vertices: Array,
    faces: NDArray[np.int64],
    owner: NDArray[np.int64] | None,
    colors: NDArray[np.uint8] | None,
) -> Sample | None:
    """A view of a mesh of longest side 1 about the origin; None where hardly anything is seen.

    Without `colors` (V, 3) each part `owner` (F,) is painted at random.
    """
    fine = SIDE * OVERSAMPLING
    placed = _look(rng, vertices)
    placed, extent = _centre(placed)
    focal = fine * FILL / extent
    raster = rasterize_two_sided(placed, faces, focal, fine)
    hit = raster.face >= 0
    if hit.sum() < 0.01 * fine * fine:
        return None
    rgb = _shade(rng, raster, vertices, placed, faces, owner, colors)
    middle = (placed[:, 2].min() + placed[:, 2].max()) / 2
    size = extent * middle
    front, back = (_average((depth - middle) / size, hit) for depth in (raster.front, raster.back))
    mask = cv2.resize(hit.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 0.5
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return Sample(
        np.clip(small, 0, 255).astype(np.uint8),
        mask.astype(np.uint8),
        np.where(mask, front, np.nan).astype(np.float16),
        np.where(mask, back, np.nan).astype(np.float16),
        fine / 2 / focal,
    )


def _look(rng: np.random.Generator, vertices: Array) -> Array:
    """The vertices in the frame of a random camera that looks at about their centre."""
    pitch = float(np.clip(rng.normal(25, 17), *PITCHES))
    turn = Rotation.from_euler("y", rng.uniform(0, 360), degrees=True)
    nod = Rotation.from_euler("x", pitch, degrees=True)
    roll = Rotation.from_euler("z", rng.normal(0, ROLL), degrees=True)
    flip = np.diag([1.0, -1.0, -1.0])
    rotation = flip @ (roll * nod * turn).as_matrix()
    low, high = DISTANCES
    distance = low * (high / low) ** rng.random()
    return np.asarray(vertices @ rotation.T + [0, 0, distance])


def _centre(points: Array) -> tuple[Array, float]:
    """The points seen by a camera turned to the middle of their outline, and their extent at depth 1."""
    for _ in range(3):
        seen = points[:, :2] / points[:, 2:]
        middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
        points = points @ turn_to(np.array([*middle, 1.0])).T
    seen = points[:, :2] / points[:, 2:]
    return points, float(np.ptp(seen, axis=0).max())


def _average(values: Array, hit: NDArray[np.bool_]) -> Array:
    """The mean of the fine values that are hit, in each pixel of the crop."""
    weight = hit.astype(np.float64)
    shape = (SIDE, OVERSAMPLING, SIDE, OVERSAMPLING)
    total = (np.where(hit, values, 0) * weight).reshape(shape).sum(axis=(1, 3))
    return np.asarray(total / np.maximum(weight.reshape(shape).sum(axis=(1, 3)), 1e-9))


def _shade(
    rng: np.random.Generator,
    raster: TwoSided,
    vertices: Array,
    placed: Array,
    faces: NDArray[np.int64],
    owner: NDArray[np.int64] | None,
    colors: NDArray[np.uint8] | None,
) -> NDArray[np.float32]:
    """The lit image (S, S, 3) on a random background, in grey levels."""
    hit = raster.face >= 0
    face, weights = raster.face[hit], raster.weights[hit]
    corners = faces[face]
    if colors is not None and rng.random() < 0.85:
        base = np.einsum("nk,nkc->nc", weights, colors[corners].astype(np.float64))
    else:
        points = np.einsum("nk,nkc->nc", weights, vertices[corners])
        base = _paint(rng, points, np.zeros(len(face), np.int64) if owner is None else owner[face])
    flat = face_normals(placed, faces)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    smooth = vertex_normals(placed, faces)[corners]
    own = flat[face][:, None]
    edge = (smooth * own).sum(axis=2, keepdims=True) < CREASE
    normals = np.einsum("nk,nkc->nc", weights, np.where(edge, own, smooth))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    rays = np.einsum("nk,nkc->nc", weights, placed[corners])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    # a face seen from behind is lit as its other side
    normals = np.where((normals * rays).sum(axis=1, keepdims=True) > 0, -normals, normals)
    lit = base * _light(rng, normals)
    shine = rng.uniform(0, 120) if rng.random() < 0.5 else 0.0
    half = _direction(rng) - rays
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    gloss = np.clip((normals * half).sum(axis=1), 0, 1) ** rng.uniform(8, 60)
    image = np.empty((*hit.shape, 3), dtype=np.float32)
    image[:] = rng.uniform(0, 255, 3)
    image[hit] = lit + shine * gloss[:, None]
    image *= rng.uniform(0.7, 1.2)
    return image + rng.normal(0, rng.uniform(0, 8), image.shape).astype(np.float32)


def _direction(rng: np.random.Generator) -> Array:
    """A direction to a lamp, mostly above, in camera axes (y down)."""
    direction = rng.normal(size=3) * [1.0, 0.6, 0.7] + [0, -0.9, -0.6]
    return np.asarray(direction / np.linalg.norm(direction))


def _light(rng: np.random.Generator, normals: Array) -> Array:
    """How bright (N, 1) surfaces with these normals are."""
    ambient = rng.uniform(0.25, 0.95)
    total = np.full(len(normals), ambient)
    for _ in range(int(rng.integers(1, 4))):
        total += rng.uniform(0.1, 0.8) * (1 - ambient) * np.clip(normals @ _direction(rng), 0, 1)
    return total[:, None]


def _paint(rng: np.random.Generator, points: Array, owner: NDArray[np.int64]) -> Array:
    """Colours (N, 3) of points (N, 3) in the object's frame: plain, stripes, checks, labels or clouds."""
    out = np.empty((len(points), 3))
    for part in np.unique(owner):
        here = owner == part
        first, second = rng.uniform(20, 245, (2, 3))
        waves = rng.normal(size=3) * rng.uniform(2, 25)
        along = points[here] @ waves + rng.uniform(0, 6)
        kind = rng.integers(6)
        if kind <= 1:
            share = np.zeros(len(along))
        elif kind == 2:
            share = (np.sin(along) > rng.uniform(-0.8, 0.8)).astype(np.float64)
        elif kind == 3:
            share = (np.sin(points[here] * rng.uniform(5, 25)).prod(axis=1) > 0).astype(np.float64)
        elif kind == 4:
            low = rng.uniform(-0.4, 0.2)
            share = ((points[here, 1] > low) & (points[here, 1] < low + rng.uniform(0.1, 0.4))).astype(
                np.float64
            )
        else:
            many = rng.normal(size=(3, 8)) * rng.uniform(3, 30)
            share = 0.5 + 0.5 * np.tanh(np.sin(points[here] @ many + rng.uniform(0, 6, 8)).sum(axis=1))
        out[here] = first + (second - first) * share[:, None]
        if rng.random() < PRINTED_SHARE:
            out[here] = _print(rng, points[here], out[here])
    return out


def _print(rng: np.random.Generator, points: Array, colors: Array) -> Array:
    """Colours (N, 3) with a print on them: panels, and lines as of text, in axes of the object."""
    low, high = points.min(axis=0), points.max(axis=0)
    colors = colors.copy()
    for _ in range(int(rng.integers(1, 7))):
        middle = low + (high - low) * rng.random(3)
        # a panel is narrow along two axes at most, and goes through along the third
        half = (high - low) * rng.uniform(0.04, 0.35, 3)
        half[int(rng.integers(3))] = np.inf
        inside = (np.abs(points - middle) < half).all(axis=1)
        if rng.random() < 0.4:
            along = points[inside] @ rng.permutation([1.0, 0.0, 0.0]) * rng.uniform(60, 220)
            across = points[inside] @ (rng.normal(size=(3, 3)) * rng.uniform(20, 120))
            inside[inside] = (np.sin(along) > 0) & (np.sin(across).sum(axis=1) > -0.5)
        colors[inside] = rng.uniform(5, 250, 3)
    return colors
