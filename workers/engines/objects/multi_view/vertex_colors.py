"""Colours of a surface from several views: what a view sees counts, the more the straighter it looks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from workers.geometry.mesh_renderer import rasterize
from workers.geometry.meshes import vertex_normals
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
SHARPNESS = 4
HIDDEN_SHARE = 0.015
LEAST_WEIGHT = 1e-3
NEIGHBOURS = 6


def colour(
    vertices: Array,
    faces: NDArray[np.int64],
    images: Sequence[NDArray[np.uint8]],
    views: Sequence[PosedCamera],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """sRGB (V, 3) of world vertices (V, 3), and which of them (V,) a view sees well enough.

    Vertices no view sees take the colours of the nearest ones that are seen.
    """
    normals = vertex_normals(vertices, faces)
    size = float(np.ptp(vertices, axis=0).max())
    total, weights = np.zeros((len(vertices), 3)), np.zeros(len(vertices))
    for image, view in zip(images, views, strict=True):
        placed = view.cam_from_world.apply(vertices)
        depth = rasterize(placed, faces, view.camera).depth
        depth = np.where(np.isfinite(depth), depth, 1e6)
        pixels = view.camera.project(placed)
        where = np.stack([pixels[:, 1], pixels[:, 0]]) - 0.5
        front = ndimage.map_coordinates(depth, where, order=0, mode="constant", cval=0.0)
        looks = view.centre() - vertices
        looks /= np.linalg.norm(looks, axis=1, keepdims=True)
        straight = np.clip((normals * looks).sum(axis=1), 0, 1)
        weight = np.where(placed[:, 2] <= front + HIDDEN_SHARE * size, straight**SHARPNESS, 0.0)
        seen = np.stack(
            [ndimage.map_coordinates(image[..., k].astype(np.float32), where, order=1, mode="nearest")
             for k in range(3)],
            axis=1,
        )  # fmt: skip
        total += weight[:, None] * seen
        weights += weight
    known = weights > LEAST_WEIGHT
    colors = total / np.maximum(weights, 1e-12)[:, None]
    if known.any() and not known.all():
        found = cKDTree(vertices[known]).query(vertices[~known], k=[*range(1, NEIGHBOURS + 1)])
        distance = np.asarray(found[0])
        near = np.minimum(np.asarray(found[1]), int(known.sum()) - 1)
        share = 1 / (distance + 1e-6 * size)
        share /= share.sum(axis=1, keepdims=True)
        colors[~known] = (colors[known][near] * share[..., None]).sum(axis=1)
    elif not known.any():
        colors[:] = 128
    return np.clip(np.round(colors), 0, 255).astype(np.uint8), known
