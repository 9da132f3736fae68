"""A software renderer of meshes in NumPy: silhouettes, depth maps and shaded previews.

A pixel is covered when its centre (+0.5, +0.5) is inside the projected triangle, edges included, from either
side. Triangles with a vertex nearer than `NEAR` are left out, and so are those with one that is not finite.

Time goes with the candidate pixels, those in the boxes around triangles. Ordinary meshes have a few for each
pixel of the picture; ten thousand triangles as wide as the picture would take minutes. Above a limit the
picture is therefore computed on a grid that is coarser until it fits, and enlarged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.geometry.batches import split_batches
from workers.geometry.cameras import Camera
from workers.geometry.image_sampling import sample_bilinear
from workers.geometry.meshes import PhotoTexture, vertex_normals
from workers.geometry.poses import Similarity

NEAR = 1e-6
# Candidate pixels that are tested at once, which bounds memory.
CHUNK = 2_000_000
# Most candidate pixels of one rasterisation, and of a picture for people to look at: 22 and 6 seconds at the
# 110 ns that one took on a core. A body that fills an image of 12 megapixels has 17 million.
MOST_CANDIDATES, MOST_IN_PICTURE = 200_000_000, 50_000_000
# Grey of meshes without colours.
GREY = 200.0


@dataclass(frozen=True, slots=True)
class Fragments:
    """The visible face of each pixel: `face` (H, W) int64, -1 for none, and `depth` (H, W) z, inf for none.

    `weights` (H, W, 3) are the perspective-correct barycentric weights of the face's corners.
    """

    face: NDArray[np.int64]
    depth: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Triangles:
    """The triangles (N,) that have candidate pixels: their `face`, projected `corners` (N, 3, 2), twice the
    signed `area`, and the first candidate `low` and the `size` (N, 2), in pixels, x first."""

    face: NDArray[np.int64]
    corners: NDArray[np.float64]
    area: NDArray[np.float64]
    low: NDArray[np.int64]
    size: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many candidates each has (N,)."""
        return self.size[:, 0] * self.size[:, 1]


def rasterize(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    camera: Camera,
    *,
    most_candidates: int = MOST_CANDIDATES,
) -> Fragments:
    """The nearest face of every pixel, for vertices (V, 3) in the camera frame (OpenCV axes)."""
    view = camera
    triangles = _project(vertices, faces, view)
    while int(triangles.counts.sum()) > most_candidates and max(view.width, view.height) > 1:
        view = camera.resized((view.width + 1) // 2, (view.height + 1) // 2)
        triangles = _project(vertices, faces, view)
    fragments = _fill(vertices, faces, view, triangles)
    return fragments if view is camera else _enlarge(fragments, camera)


def _project(vertices: NDArray[np.float64], faces: NDArray[np.int64], camera: Camera) -> _Triangles:
    width, height = camera.width, camera.height
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pixels = camera.project(vertices)
    visible = (vertices[:, 2] > NEAR) & np.isfinite(pixels).all(axis=1)
    front = np.flatnonzero(_all_of_three(visible[faces]))
    corners = pixels[faces[front]]
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    least = np.minimum(np.minimum(first, second), third)
    most = np.maximum(np.maximum(first, second), third)
    low = np.ceil(np.clip(least, -1, [width + 1, height + 1]) - 0.5).astype(np.int64)
    high = np.floor(np.clip(most, -1, [width + 1, height + 1]) - 0.5).astype(np.int64)
    low = np.maximum(low, 0)
    size = np.minimum(high, [width - 1, height - 1]) - low + 1
    (ax, ay), (bx, by) = (second - first).T, (third - first).T
    with np.errstate(over="ignore", invalid="ignore"):
        area = ax * by - ay * bx
    kept = np.flatnonzero((size[:, 0] > 0) & (size[:, 1] > 0) & (area != 0) & np.isfinite(area))
    return _Triangles(front[kept], corners[kept], area[kept], low[kept], size[kept])


def _fill(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], camera: Camera, triangles: _Triangles
) -> Fragments:
    height, width = camera.height, camera.width
    depth = np.full(height * width, np.inf)
    face = np.full(height * width, -1, dtype=np.int64)
    weights = np.zeros((height * width, 3))
    counts, low, size = triangles.counts, triangles.low, triangles.size
    with np.errstate(divide="ignore"):
        inverse_z = 1.0 / vertices[:, 2]
    for part in split_batches(counts, CHUNK):
        ids = triangles.face[part]
        repeat = np.repeat(np.arange(len(ids)), counts[part])
        within = np.arange(len(repeat)) - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
        x = low[part][repeat, 0] + within % size[part][repeat, 0]
        y = low[part][repeat, 1] + within // size[part][repeat, 0]
        bary = _barycentric(triangles.corners[part], triangles.area[part], repeat, x + 0.5, y + 0.5)
        inside = np.flatnonzero(_all_of_three(bary >= 0))
        bary = bary[inside] * inverse_z[faces[ids[repeat[inside]]]]
        total = bary[:, 0] + bary[:, 1] + bary[:, 2]
        z = 1.0 / total
        where = y[inside] * width + x[inside]
        np.minimum.at(depth, where, z)
        nearest = np.flatnonzero(z == depth[where])
        face[where[nearest]] = ids[repeat[inside[nearest]]]
        weights[where[nearest]] = bary[nearest] / total[nearest, None]
    shape = (height, width)
    return Fragments(face.reshape(shape), depth.reshape(shape), weights.reshape(*shape, 3))


def _enlarge(coarse: Fragments, camera: Camera) -> Fragments:
    """The fragments of a coarser grid at the nearest pixels of the camera's."""
    rows = np.arange(camera.height) * coarse.face.shape[0] // camera.height
    columns = np.arange(camera.width) * coarse.face.shape[1] // camera.width
    where = np.ix_(rows, columns)
    return Fragments(coarse.face[where], coarse.depth[where], coarse.weights[where])


def silhouette(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    camera: Camera,
    *,
    most_candidates: int = MOST_CANDIDATES,
) -> NDArray[np.bool_]:
    """The mask (H, W) of a mesh with vertices (V, 3) in the camera frame."""
    return rasterize(vertices, faces, camera, most_candidates=most_candidates).face >= 0


def render_mesh(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    colors: NDArray[np.uint8] | None,
    camera: Camera,
    cam_from_mesh: Similarity | None = None,
    *,
    background: tuple[int, int, int] = (255, 255, 255),
    ambient: float = 0.45,
    normals: NDArray[np.float64] | None = None,
    texture: PhotoTexture | None = None,
    most_candidates: int = MOST_IN_PICTURE,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Smoothly shaded RGB uint8 (H, W, 3), lit from the camera, and depth (H, W), inf where empty.

    `colors` are sRGB (V, 3), and `texture` replaces them; without both the mesh is light grey. `ambient` = 1
    switches shading off. `normals` (V, 3) are unit vertex normals in the mesh's frame; without them they
    follow from the faces.
    """
    in_camera = vertices if cam_from_mesh is None else cam_from_mesh.apply(vertices)
    fragments = rasterize(in_camera, faces, camera, most_candidates=most_candidates)
    hit = fragments.face >= 0
    corners, weights = faces[fragments.face[hit]], fragments.weights[hit]
    if texture is not None:
        size = texture.pixels.shape[1::-1]
        tint = sample_bilinear(texture.pixels, _interpolate(texture.uvs, corners, weights) * size)
    else:
        base = np.full((len(vertices), 3), GREY) if colors is None else colors.astype(np.float64)
        tint = _interpolate(base, corners, weights)
    if normals is None:
        facing = vertex_normals(in_camera, faces)
    else:
        facing = normals if cam_from_mesh is None else normals @ cam_from_mesh.rotation_matrix().T
    facing = _interpolate(facing, corners, weights)
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    rays = _interpolate(in_camera, corners, weights)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    light = ambient + (1 - ambient) * np.clip(-(facing * rays).sum(axis=1), 0, 1)
    image = np.empty((camera.height, camera.width, 3), dtype=np.uint8)
    image[:] = background
    image[hit] = np.clip(np.round(tint * light[:, None]), 0, 255).astype(np.uint8)
    return image, fragments.depth


def _all_of_three(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows (N, 3) are all true; NumPy's reductions over so short an axis take several times as long."""
    return np.asarray(values[:, 0] & values[:, 1] & values[:, 2])


def _interpolate(
    values: NDArray[np.float64], corners: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values (P, 3) at points in faces with those corners (P, 3), by their barycentric weights (P, 3)."""
    first, second, third = (values[corners[:, k]] * weights[:, k, None] for k in range(3))
    return np.asarray(first + second + third)


def _barycentric(
    corners: NDArray[np.float64],
    area: NDArray[np.float64],
    triangle: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Screen-space barycentric weights (N, 3) of points (x, y); all are at least 0 inside the triangle."""
    out = np.empty((len(x), 3))
    for corner in range(3):
        a, b = corners[:, (corner + 1) % 3], corners[:, (corner + 2) % 3]
        edge = (b - a) / area[:, None]
        offset = edge[:, 0] * a[:, 1] - edge[:, 1] * a[:, 0]
        out[:, corner] = edge[triangle, 0] * y - edge[triangle, 1] * x - offset[triangle]
    return out
