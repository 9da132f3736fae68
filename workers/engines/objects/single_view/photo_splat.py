"""Surfels that follow the detail of the photo: one for each leaf of a quadtree over the object's pixels.

A cell is split where one colour describes its pixels worst, by the sum of squared errors. That of a cell is
never less than the sum of those of its parts, so the largest ones of all levels are those of a tree.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.engines.objects.single_view.texture import find_unmixed, spread_colors
from workers.engines.objects.splats.surfels import OPACITY, THINNESS
from workers.engines.protocols import Mask, Rgb
from workers.formats.images import shrunk_size
from workers.geometry.boxes import mask_extent
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.mesh_renderer import rasterize
from workers.geometry.meshes import vertex_normals

Array = NDArray[np.float64]
# Longest side in pixels of what the tree describes, and of the depth that places its leaves: time and memory.
COLOR_SIDE, DEPTH_SIDE = 768, 256
# Grey levels by which what lies beyond the mask differs from the object: the outline is detail as well.
OUTLINE_CONTRAST = 64.0
# Largest leaf as a share of the longer side: a flat surfel must not stand off a curved surface.
MAX_LEAF = 1 / 24
# Root mean square in grey levels per channel up to which a cell has one colour: the noise of a photo.
NOISE = 2.0
# Standard deviation of a surfel in sides of its leaf. In the mean of 10 photos what the camera sees has
# 29.0 dB with 0.4, 28.6 with 0.45, 28.0 with 0.5 and 26.3 with 0.6; with less gaps show from nearer by.
WIDTH = 0.45
# A surfel seen at a grazing angle is at most this many times as long as it is wide.
MAX_STRETCH = 4.0


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaves of a quadtree: centres of their pixels (N, 2) xy, sides (N,) in pixels, mean colours (N, 3)."""

    centres: Array
    sides: Array
    colors: Array


def build_photo_splat(
    image: Rgb, mask: Mask, camera: Camera, vertices: Array, faces: NDArray[np.int64], count: int
) -> Gaussians:
    """At most about `count` surfels in the camera frame, on the visible side of a mesh in that frame.

    `vertices` are (V, 3), `faces` (F, 3); the image is RGB (H, W, 3), the mask (H, W) not empty.
    """
    x0, y0, x1, y1 = mask_extent(mask)
    window = camera.crop(x0, y0, x1 - x0, y1 - y0)
    near = window.resized(*shrunk_size(window.width, window.height, DEPTH_SIDE))
    fragments = rasterize(vertices, faces, near)
    size = shrunk_size(window.width, window.height, COLOR_SIDE)
    clean = spread_colors(image[y0:y1, x0:x1], find_unmixed(mask)[y0:y1, x0:x1])
    crop = cv2.resize(clean, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask[y0:y1, x0:x1].astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    leaves = split_by_detail(crop, np.asarray(inside, dtype=np.bool_), count)
    place = leaves.centres * (near.width / size[0], near.height / size[1])
    column, row = np.clip(place.astype(np.int64), 0, (near.width - 1, near.height - 1)).T
    face = fragments.face[row, column]
    seen = face >= 0
    corners = vertices[faces[face[seen]]]
    weights = _cast_rays(near.unproject(place[seen], np.ones(int(seen.sum()))), corners)[..., None]
    normals = (vertex_normals(vertices, faces)[faces[face[seen]]] * weights).sum(axis=1)
    points = (corners * weights).sum(axis=1)
    width = WIDTH * leaves.sides[seen] * near.width / size[0] * points[:, 2] / near.fx
    rotations, stretch = _lie_on_surface(normals, points)
    return Gaussians(
        means=points.astype(np.float32),
        rotations=rotations.astype(np.float32),
        scales=np.stack([width, width * stretch, THINNESS * width], axis=1).astype(np.float32),
        opacities=np.full(len(points), OPACITY, dtype=np.float32),
        colors=(leaves.colors[seen] / 255.0).astype(np.float32),
    )


def split_by_detail(image: Rgb, mask: Mask, count: int) -> Leaves:
    """At most about `count` leaves over the pixels of a mask (H, W), smaller where the colours change."""
    pyramid = _sum_up(image, mask)
    largest = max(1.0, MAX_LEAF * max(mask.shape))
    errors = [_measure_error(sums, 1 << level, largest) for level, sums in enumerate(pyramid)]
    every = np.concatenate([error.ravel() for error in errors[1:]])
    splits = min(max(count // 3, 1), every.size)
    limit = float(np.partition(every, -splits)[-splits])
    leaves = []
    reached = np.ones((1, 1), dtype=np.bool_)
    for level in reversed(range(len(pyramid))):
        sums = pyramid[level]
        number = sums[..., 0]
        is_split = reached & (errors[level] > np.maximum(limit, 3 * NOISE**2 * number)) & (level > 0)
        leaves.append(sums[reached & ~is_split & (number > 0)])
        reached = np.repeat(np.repeat(is_split, 2, axis=0), 2, axis=1)
    found = np.concatenate(leaves)
    number = found[:, :1]
    return Leaves(found[:, 5:] / number, np.sqrt(number[:, 0]), found[:, 1:4] / number)


def _sum_up(image: Rgb, mask: Mask) -> list[Array]:
    """Sums (S, S, 7) over the pixels of a mask in cells of 1, 2, 4, ... pixels a side.

    The channels are their number, their colours, the squares of these, and their places x and y.
    """
    levels = int(np.ceil(np.log2(max(2, *mask.shape))))
    values = image.astype(np.float64)
    rows, columns = np.indices(mask.shape, dtype=np.float64) + 0.5
    channels = [np.ones(mask.shape), *np.moveaxis(values, 2, 0), (values**2).sum(axis=2), columns, rows]
    base = np.zeros((1 << levels, 1 << levels, len(channels)))
    base[: mask.shape[0], : mask.shape[1]] = np.stack(channels, axis=2) * mask[..., None]
    pyramid = [base]
    for _ in range(levels):
        pyramid.append(_add_fours(pyramid[-1]))
    return pyramid


def _add_fours(values: Array) -> Array:
    """The sums (S/2, S/2, C) of blocks of 2 x 2 of (S, S, C)."""
    half = values.shape[0] // 2
    return np.asarray(values.reshape(half, 2, half, 2, -1).sum(axis=(1, 3)))


def _measure_error(sums: Array, side: int, largest: float) -> Array:
    """The squared error of one colour for each cell of so many pixels a side; infinite where too large."""
    number = sums[..., 0]
    spread = sums[..., 4] - (sums[..., 1:4] ** 2).sum(axis=2) / np.maximum(number, 1)
    outline = 3 * OUTLINE_CONTRAST**2 * number * (side**2 - number) / side**2
    error = np.maximum(spread, 0) + outline
    return np.where(number > 0, np.inf if side > largest else error, -1.0)


def _cast_rays(rays: Array, corners: Array) -> Array:
    """The weights (N, 3) of triangles' corners (N, 3, 3) where rays (N, 3) from the origin meet them.

    A ray that passes beside its triangle, whose pixel's centre it missed, meets the nearest part of its edge.
    """
    volumes = np.stack(
        [(rays * np.cross(corners[:, (k + 1) % 3], corners[:, (k + 2) % 3])).sum(axis=1) for k in range(3)],
        axis=1,
    )
    total = volumes.sum(axis=1, keepdims=True)
    weights = np.clip(np.where(np.abs(total) > 1e-20, volumes / total, 1 / 3), 0.0, 1.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _lie_on_surface(normals: Array, points: Array) -> tuple[Array, Array]:
    """Quaternions wxyz (N, 4), z along the normals and y down the slope, and the length per width (N,)."""
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    view = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosine = (normals * view).sum(axis=1)
    across = np.cross(normals, view)
    length = np.linalg.norm(across, axis=1, keepdims=True)
    # a surface that faces the camera has no slope: any direction will do
    any_across = np.cross(normals, np.where(np.abs(normals[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    across = np.where(length > 1e-3, across, any_across)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    matrices = np.stack([across, np.cross(normals, across), normals], axis=2)
    xyzw = Rotation.from_matrix(matrices).as_quat()
    stretch = 1 / np.maximum(np.abs(cosine), 1 / MAX_STRETCH)
    return xyzw[:, [3, 0, 1, 2]], stretch
