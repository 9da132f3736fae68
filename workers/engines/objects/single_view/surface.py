"""A closed surface in the camera frame with what is needed to colour it and to give it an object frame."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.closed_sheet import ClosedSheet
from workers.engines.objects.single_view.texture import ImageTexture
from workers.engines.objects.single_view.thickness import Thickness
from workers.engines.objects.splats.surfels import build_surfels, sample_surface
from workers.geometry.boxes import mask_extent
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh, face_normals, vertex_normals
from workers.geometry.poses import OPENGL_FROM_OPENCV, Similarity

Array = NDArray[np.float64]
# Cosine between a face's normal and the ray to it below which surfels of single pixels leave gaps.
MIN_COSINE = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Vertices (V, 3) in the camera frame, faces (F, 3), and the pixel (V, 2) each takes its colour at.

    `distance` (V,) is how many pixels that lies inside the rim; `front` (V,) and `front_faces` (F,) say
    what the camera sees. `axes` (3, 3) has the object frame's x, y and z as rows, in camera axes.
    `is_metric` says that lengths are in metres. `expected_error` is what a network expects its depths to be
    wrong by, in sizes of the object, or None.
    """

    vertices: Array
    faces: NDArray[np.int64]
    pixels: Array
    distance: Array
    front: NDArray[np.bool_]
    front_faces: NDArray[np.bool_]
    axes: Array
    is_metric: bool = False
    expected_error: float | None = None

    def to_object_frame(self, texture: ImageTexture) -> tuple[Mesh, Similarity]:
        """The coloured mesh, longest side 1 about the centre of its bounding box, and its pose."""
        rotated = self.vertices @ self.axes.T
        low, high = rotated.min(axis=0), rotated.max(axis=0)
        centre, size = (low + high) / 2, float((high - low).max())
        pose = Similarity.from_parts(self.axes.T, self.axes.T @ centre, size)
        colors = texture.sample(self.pixels, self.front, self.distance)
        return Mesh((rotated - centre) / size, self.faces, colors), pose

    def build_splat(self, mesh: Mesh, texture: ImageTexture, count: int, seed: int) -> Gaussians:
        """Surfels in the object frame, `count` for the complete surface, spread evenly by area.

        Those of faces that the camera sees well are left out.
        """
        samples = sample_surface(mesh.vertices, mesh.faces, count, seed)
        samples = samples.select(~self._are_seen_well()[samples.faces])
        pixels = samples.interpolate(self.pixels, mesh.faces)
        distance = samples.interpolate(self.distance[:, None], mesh.faces)[:, 0]
        colors = texture.sample(pixels, self.front_faces[samples.faces], distance)
        return build_surfels(mesh, samples, colors)

    def _are_seen_well(self) -> NDArray[np.bool_]:
        """The faces (F,) in front that are not too steep for the pixels of the image to cover them."""
        normals = face_normals(self.vertices, self.faces)
        centres = self.vertices[self.faces].mean(axis=1)
        lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(centres, axis=1)
        cosine = np.abs((normals * centres).sum(axis=1)) / np.maximum(lengths, 1e-20)
        return np.asarray(self.front_faces & (cosine > MIN_COSINE), dtype=np.bool_)


def surface_from_closed_sheet(closed: ClosedSheet, thickness: Thickness, *, is_metric: bool) -> Surface:
    """An inflated surface: its object frame is the camera's, y up."""
    distance = np.zeros(len(closed.pixels))
    inner = thickness.distance(closed.pixels[: closed.inner])
    distance[: closed.inner] = inner
    distance[closed.rim :] = inner
    return Surface(
        vertices=closed.vertices,
        faces=closed.faces,
        pixels=closed.pixels,
        distance=distance,
        front=np.arange(len(closed.pixels)) < closed.rim,
        front_faces=np.arange(len(closed.faces)) < closed.front_faces,
        axes=OPENGL_FROM_OPENCV,
        is_metric=is_metric,
    )


def surface_from_mesh(
    vertices: Array, faces: NDArray[np.int64], axes: Array, mask: NDArray[np.bool_], camera: Camera
) -> Surface:
    """A closed mesh that was fitted to a mask: every point takes the colour of the pixel it projects to."""
    pixels = camera.project(vertices)
    x0, y0, x1, y1 = mask_extent(mask)
    crop = np.pad(mask[y0:y1, x0:x1], 1).astype(np.uint8)
    inside = cv2.distanceTransform(crop, cv2.DIST_L2, 3)[1:-1, 1:-1]
    x = np.clip(pixels[:, 0] - x0, 0, inside.shape[1] - 1).astype(np.int64)
    y = np.clip(pixels[:, 1] - y0, 0, inside.shape[0] - 1).astype(np.int64)
    normals = vertex_normals(vertices, faces)
    face_centres = vertices[faces].mean(axis=1)
    return Surface(
        vertices=vertices,
        faces=faces,
        pixels=pixels,
        distance=inside[y, x].astype(np.float64),
        front=(normals * vertices).sum(axis=1) < 0,
        front_faces=(face_normals(vertices, faces) * face_centres).sum(axis=1) < 0,
        axes=axes,
    )
