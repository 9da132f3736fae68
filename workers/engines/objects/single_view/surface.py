"""A closed surface in the camera frame with what is needed to colour it and to give it a canonical frame."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.inflation import Thickness
from workers.engines.objects.single_view.solid import Solid
from workers.engines.objects.single_view.texture import Texture
from workers.engines.objects.splats.surfels import build_surfels, sample_surface
from workers.geometry.boxes import mask_extent
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh, face_normals, vertex_normals
from workers.geometry.poses import OPENGL_FROM_OPENCV, Similarity

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Surface:
    """Vertices (V, 3) in the camera frame, faces (F, 3), and the pixel (V, 2) each takes its colour at.

    `distance` (V,) is how many pixels that lies inside the rim; `front` (V,) and `front_faces` (F,) tell what
    the camera sees. `axes` (3, 3) has the canonical frame's x, y and z as rows, in camera axes.
    """

    vertices: Array
    faces: NDArray[np.int64]
    pixels: Array
    distance: Array
    front: NDArray[np.bool_]
    front_faces: NDArray[np.bool_]
    axes: Array

    def canonical(self, texture: Texture) -> tuple[Mesh, Similarity]:
        """The mesh in its canonical frame, longest side 1 about the centre of its box, and the pose."""
        turned = self.vertices @ self.axes.T
        low, high = turned.min(axis=0), turned.max(axis=0)
        center, size = (low + high) / 2, float((high - low).max())
        pose = Similarity.from_parts(self.axes.T, self.axes.T @ center, size)
        colors = texture.sample(self.pixels, self.front, self.distance)
        return Mesh((turned - center) / size, self.faces, colors), pose

    def scaled(self, factor: float) -> "Surface":
        """The same surface `factor` times as far away and as large; its pixels stay."""
        return replace(self, vertices=self.vertices * factor)

    def splat(self, mesh: Mesh, texture: Texture, count: int, seed: int) -> Gaussians:
        """Flat Gaussians on the canonical mesh, spread evenly by area."""
        samples = sample_surface(mesh.vertices, mesh.faces, count, seed)
        pixels = samples.interpolate(self.pixels, mesh.faces)
        distance = samples.interpolate(self.distance[:, None], mesh.faces)[:, 0]
        colors = texture.sample(pixels, self.front_faces[samples.faces], distance)
        return build_surfels(mesh, samples, colors)


def of_solid(solid: Solid, thickness: Thickness) -> Surface:
    """An inflated solid: its canonical frame is the camera's, y up."""
    distance = np.zeros(len(solid.pixels))
    inner = thickness.distance(solid.pixels[: solid.inner])
    distance[: solid.inner] = inner
    distance[solid.rim :] = inner
    return Surface(
        solid.vertices,
        solid.faces,
        solid.pixels,
        distance,
        np.arange(len(solid.pixels)) < solid.rim,
        np.arange(len(solid.faces)) < solid.front_faces,
        OPENGL_FROM_OPENCV,
    )


def of_shape(
    vertices: Array, faces: NDArray[np.int64], axes: Array, mask: NDArray[np.bool_], camera: Camera
) -> Surface:
    """A closed shape that was fitted to a mask: every point takes the colour of the pixel it projects to."""
    pixels = camera.project(vertices)
    x0, y0, x1, y1 = mask_extent(mask)
    crop = np.pad(mask[y0:y1, x0:x1], 1).astype(np.uint8)
    inside = cv2.distanceTransform(crop, cv2.DIST_L2, 3)[1:-1, 1:-1]
    x = np.clip(pixels[:, 0] - x0, 0, inside.shape[1] - 1).astype(np.int64)
    y = np.clip(pixels[:, 1] - y0, 0, inside.shape[0] - 1).astype(np.int64)
    normals = vertex_normals(vertices, faces)
    middles = vertices[faces].mean(axis=1)
    return Surface(
        vertices,
        faces,
        pixels,
        inside[y, x].astype(np.float64),
        (normals * vertices).sum(axis=1) < 0,
        (face_normals(vertices, faces) * middles).sum(axis=1) < 0,
        axes,
    )
