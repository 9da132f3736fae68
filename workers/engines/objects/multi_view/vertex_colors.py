"""Vertex colours of a surface from several views, weighted by how directly a view looks at a vertex."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from workers.geometry.mesh_renderer import rasterize
from workers.geometry.meshes import vertex_normals
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
# Power of the cosine between the normal and the direction to the camera: oblique views are blurred.
COSINE_POWER = 4
# A vertex is visible when it is behind the nearest surface by at most this share of the object's size.
DEPTH_TOLERANCE = 0.015
# Sum of weights below which no view sees a vertex well enough.
MIN_WEIGHT = 1e-3
# Visible vertices that an invisible one takes its colour from.
NEIGHBOURS = 6
UNKNOWN_GREY = 128


def color_vertices(
    vertices: Array,
    faces: NDArray[np.int64],
    images: Sequence[NDArray[np.uint8]],
    cameras: Sequence[PosedCamera],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """sRGB (V, 3) of world vertices (V, 3), and which of them (V,) a view sees well enough.

    Vertices that no view sees take the colours of the nearest visible ones.
    """
    normals = vertex_normals(vertices, faces)
    size = float(np.ptp(vertices, axis=0).max())
    total, weights = np.zeros((len(vertices), 3)), np.zeros(len(vertices))
    for image, view in zip(images, cameras, strict=True):
        weight, color = _sample_view(vertices, faces, normals, size, image, view)
        total += weight[:, None] * color
        weights += weight
    known = weights > MIN_WEIGHT
    colors = total / np.maximum(weights, 1e-12)[:, None]
    if not known.any():
        colors[:] = UNKNOWN_GREY
    elif not known.all():
        colors[~known] = _interpolate(vertices, colors, known, size)
    return np.clip(np.round(colors), 0, 255).astype(np.uint8), known


def _sample_view(
    vertices: Array,
    faces: NDArray[np.int64],
    normals: Array,
    size: float,
    image: NDArray[np.uint8],
    view: PosedCamera,
) -> tuple[Array, Array]:
    """Weights (V,) and colours (V, 3) that one view gives vertices; weight 0 for those it does not see."""
    placed = view.cam_from_world.apply(vertices)
    depth = rasterize(placed, faces, view.camera).depth
    depth = np.where(np.isfinite(depth), depth, 1e6)
    pixels = view.camera.project(placed)
    where = np.stack([pixels[:, 1], pixels[:, 0]]) - 0.5
    nearest = ndimage.map_coordinates(depth, where, order=0, mode="constant", cval=0.0)
    to_camera = view.centre() - vertices
    to_camera /= np.linalg.norm(to_camera, axis=1, keepdims=True)
    cosine = np.clip((normals * to_camera).sum(axis=1), 0, 1)
    visible = placed[:, 2] <= nearest + DEPTH_TOLERANCE * size
    weight = np.where(visible, cosine**COSINE_POWER, 0.0)
    channels = [
        ndimage.map_coordinates(image[..., k].astype(np.float32), where, order=1, mode="nearest")
        for k in range(3)
    ]
    return weight, np.stack(channels, axis=1)


def _interpolate(vertices: Array, colors: Array, known: NDArray[np.bool_], size: float) -> Array:
    """Colours (U, 3) of the unknown vertices, from their nearest known ones by inverse distance."""
    query = cKDTree(vertices[known]).query(vertices[~known], k=[*range(1, NEIGHBOURS + 1)])
    distance = np.asarray(query[0])
    nearest = np.minimum(np.asarray(query[1]), int(known.sum()) - 1)
    share = 1 / (distance + 1e-6 * size)
    share /= share.sum(axis=1, keepdims=True)
    return np.asarray((colors[known][nearest] * share[..., None]).sum(axis=1))
