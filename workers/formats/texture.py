"""Texture baking: an atlas by xatlas (MIT), and colours from the Gaussians of the same object.

The common texture bakers have non-commercial licences; nothing of them is used.
"""

from dataclasses import dataclass

import numpy as np
import xatlas
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.mesh_renderer import rasterize
from workers.geometry.meshes import Mesh
from workers.geometry.poses import matrix_from_quaternion

# Texels along each side of the texture, and between charts of the atlas.
SIDE = 1024
PADDING = 4
# Gaussians that colour a texel, and the smallest scale that they count with, as a share of the mesh's longest
# side. Not tuned; with them the paint of a ball and a torus is kept within 1% on average (docs/formats.md).
NEIGHBOURS = 8
SCALE_FLOOR = 0.004
# Texels that are coloured at once, so that their arrays stay in the cache: 2.4 times as fast as all together.
CHUNK = 16_384


@dataclass(frozen=True, slots=True)
class BakedTexture:
    """The texture of a mesh, whose vertices are duplicated along the seams of the atlas.

    `source` (W,) gives for each of the W vertices its index in the original mesh; `faces` (F, 3) index the W
    vertices and keep their order and winding. `uvs` (W, 2) are in [0, 1] with the origin at the top left of
    `pixels` (S, S, 3), sRGB uint8; `covered` (S, S) is true for texels inside the atlas.
    """

    source: NDArray[np.int64]
    faces: NDArray[np.int64]
    uvs: NDArray[np.float64]
    pixels: NDArray[np.uint8]
    covered: NDArray[np.bool_]


def bake_texture(mesh: Mesh, splat: Gaussians, side: int = SIDE) -> BakedTexture:
    """Unwrap the mesh and colour each texel from the Gaussians around its point on the surface.

    A Gaussian's weight is its opacity times its density at the point (by Mahalanobis distance), as if seen
    from close by. Scales below 0.4% of the mesh's longest side count as that much, because flat Gaussians lie
    slightly off the surface. Texels outside the atlas take the colour of the nearest one inside, so that mip
    levels show no seams. Raises ValueError for a splat without Gaussians.
    """
    if not len(splat):
        raise ValueError("a texture needs a splat with Gaussians")
    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    packing = xatlas.PackOptions()
    packing.resolution, packing.padding, packing.create_image = side, PADDING, False
    atlas.generate(pack_options=packing)
    source, faces, uvs = atlas[0]
    # xatlas keeps the aspect of its atlas: only the longer side fills the texture.
    uvs = uvs.astype(np.float64) * np.array([atlas.width, atlas.height]) / max(atlas.width, atlas.height)
    source, faces = source.astype(np.int64), faces.astype(np.int64)
    unwrapped = np.column_stack([uvs * side, np.ones(len(uvs))])
    fragments = rasterize(unwrapped, faces, Camera(side, side, 1.0, 1.0, 0.0, 0.0))
    covered = fragments.face >= 0
    corners = mesh.vertices[source[faces[fragments.face[covered]]]]
    points = (corners * fragments.weights[covered][..., None]).sum(axis=1)
    colors = sample_colors(splat, points, SCALE_FLOOR * float(np.ptp(mesh.vertices, axis=0).max()))
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    pixels[covered] = np.round(255 * colors).astype(np.uint8)
    rows, columns = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return BakedTexture(source, faces, uvs, pixels[rows, columns], covered)


def sample_colors(splat: Gaussians, points: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """sRGB colours (N, 3) in [0, 1] at points (N, 3): a mean of the nearest Gaussians by their density."""
    tree, axes = cKDTree(splat.means), matrix_from_quaternion(splat.rotations)
    scales, strength = np.maximum(splat.scales, floor), np.log(np.maximum(splat.opacities, 1e-6))
    colors = np.empty((len(points), 3))
    for start in range(0, len(points), CHUNK):
        chunk = points[start : start + CHUNK]
        nearest = tree.query(chunk, k=min(NEIGHBOURS, len(splat)))[1].reshape(len(chunk), -1)
        offset = chunk[:, None] - splat.means[nearest].astype(np.float64)
        along = np.einsum("nkji,nkj->nki", axes[nearest], offset) / scales[nearest]
        power = -0.5 * (along**2).sum(axis=2) + strength[nearest]
        weight = np.exp(power - power.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        colors[start : start + CHUNK] = (weight[..., None] * splat.colors[nearest]).sum(axis=1)
    return np.asarray(np.clip(colors, 0, 1))
