"""Texture baking: an atlas by xatlas (MIT), and colours from the Gaussians of the same object.

Nothing of the usual bakers, which come under non-commercial licences, is used.
"""

from dataclasses import dataclass

import numpy as np
import xatlas
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh
from workers.geometry.poses import matrix_from_quaternion
from workers.geometry.raster import rasterize

SIDE = 1024
PADDING = 4
NEIGHBOURS = 8
SCALE_FLOOR = 0.004


@dataclass(frozen=True, slots=True)
class Textured:
    """A mesh with a texture, cut along the seams of its atlas.

    `source` (W,) names the vertex of the given mesh that each of the W cut vertices was; `faces` (F, 3) index
    the cut ones and keep their order and winding. `uvs` (W, 2) lie in [0, 1] with the origin at the top left
    of `pixels` (S, S, 3), sRGB uint8; `covered` (S, S) tells which texels lie in the atlas.
    """

    source: NDArray[np.int64]
    faces: NDArray[np.int64]
    uvs: NDArray[np.float64]
    pixels: NDArray[np.uint8]
    covered: NDArray[np.bool_]


def bake(mesh: Mesh, splat: Gaussians, side: int = SIDE) -> Textured:
    """Lay the mesh's faces flat and colour each texel from the Gaussians around its point.

    A Gaussian's weight is its opacity times its density at the point (Mahalanobis distance), as if the point
    were looked at from nearby; scales below 0.4% of the mesh's longest side count as that, because flat
    Gaussians lie a little off the surface. Texels beside the atlas take the nearest colour of it, so that
    smaller levels of the texture show no seams. Raises ValueError for a splat without Gaussians.
    """
    if not len(splat):
        raise ValueError("a texture needs a splat with Gaussians")
    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    packing = xatlas.PackOptions()
    packing.resolution, packing.padding, packing.create_image = side, PADDING, False
    atlas.generate(pack_options=packing)
    source, faces, uvs = atlas[0]
    # xatlas keeps the shape of its atlas: the longer side fills the texture
    uvs = uvs.astype(np.float64) * np.array([atlas.width, atlas.height]) / max(atlas.width, atlas.height)
    source, faces = source.astype(np.int64), faces.astype(np.int64)
    flat = np.column_stack([uvs * side, np.ones(len(uvs))])
    seen = rasterize(flat, faces, Camera(side, side, 1.0, 1.0, 0.0, 0.0))
    covered = seen.face >= 0
    corners = mesh.vertices[source[faces[seen.face[covered]]]]
    points = (corners * seen.weights[covered][..., None]).sum(axis=1)
    colors = splat_colors(splat, points, SCALE_FLOOR * float(np.ptp(mesh.vertices, axis=0).max()))
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    pixels[covered] = np.round(255 * colors).astype(np.uint8)
    rows, columns = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return Textured(source, faces, uvs, pixels[rows, columns], covered)


def splat_colors(splat: Gaussians, points: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """sRGB colours (N, 3) in [0, 1] at points (N, 3): a mean over the nearest Gaussians, by their density."""
    count = min(NEIGHBOURS, len(splat))
    _, near = cKDTree(splat.means).query(points, k=count)
    near = near.reshape(len(points), count)
    axes = matrix_from_quaternion(splat.rotations)
    off = points[:, None] - splat.means[near].astype(np.float64)
    along = np.einsum("nkji,nkj->nki", axes[near], off) / np.maximum(splat.scales, floor)[near]
    power = -0.5 * (along**2).sum(axis=2) + np.log(np.maximum(splat.opacities[near], 1e-6))
    weight = np.exp(power - power.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(np.clip((weight[..., None] * splat.colors[near]).sum(axis=1), 0, 1))
