"""Views around an asset for people to judge: it fits the frame from every direction, in its own colours."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import ObjectAsset, Rgb
from workers.engines.rasterisers.preview import preview_splat
from workers.formats.images import shrink_image
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.meshes import face_normals, is_closed, vertex_normals
from workers.geometry.poses import look_at

Vector = tuple[float, float, float]

# focal length as a share of the image's side
FOCAL_SHARE = 1.4
# empty border on each side as a share of the side
MARGIN = 0.05
# Standard deviations up to which a Gaussian is seen: beyond, an opaque one covers less than 5% of a pixel.
VISIBLE_SIGMAS = 2.5
# How bright a surface is that is seen edge-on. Shading shows the shape, but colours have to stay those of the
# asset: a face that is turned by 45° loses 3%.
AMBIENT = 0.9


class AssetViews:
    """Renders an asset from cameras on a sphere around it; images are square with `side` pixels."""

    def __init__(self, asset: ObjectAsset, side: int) -> None:
        focal, middle = FOCAL_SHARE * side, side / 2
        self._asset = asset
        self._camera = Camera(side, side, focal, focal, middle, middle)
        vertices, faces = asset.mesh.vertices, asset.mesh.faces
        self._centre = np.asarray((vertices.min(axis=0) + vertices.max(axis=0)) / 2)
        self._distance = _choose_distance(asset, self._centre)
        self._normals = vertex_normals(vertices, faces)
        self._texture = asset.photo
        if asset.photo is not None:
            # about one of its pixels for each of the image's, since none are averaged
            small = shrink_image(asset.photo.pixels, side)
            self._texture = replace(asset.photo, pixels=small)
        self._face_normals = face_normals(vertices, faces)
        # six times the signed volume; negative where a mesh is inside out
        volume = float(np.sum(self._face_normals * vertices[faces[:, 0]]))
        self._solid = volume > 0 and is_closed(faces)

    def render(self, direction: Vector) -> tuple[Rgb, Rgb]:
        """The mesh and the splat as seen from `direction`, each RGB (side, side, 3) over white."""
        mesh = self._asset.mesh
        eye = self._centre + self._distance * np.asarray(direction) / np.linalg.norm(direction)
        pose = look_at(_to_vector(eye), _to_vector(self._centre))
        surface, _ = render_mesh(
            mesh.vertices,
            self._select_visible(eye),
            mesh.colors,
            self._camera,
            pose,
            ambient=AMBIENT,
            normals=self._normals,
            texture=self._texture,
        )
        return surface, preview_splat(self._asset.splat, self._camera, pose)

    def _select_visible(self, eye: NDArray[np.float64]) -> NDArray[np.int64]:
        """The faces (F, 3) that can be seen: of a solid mesh those that face the eye, half of them."""
        faces = self._asset.mesh.faces
        if not self._solid:
            return faces
        towards = eye - self._asset.mesh.vertices[faces[:, 0]]
        facing = np.einsum("fk,fk->f", self._face_normals, towards) > 0
        return np.asarray(faces[facing])


def _choose_distance(asset: ObjectAsset, centre: NDArray[np.float64]) -> float:
    """How far the camera is from the centre, so that the bounding sphere of mesh and splat fits."""
    splat = asset.splat
    to_surface = np.linalg.norm(asset.mesh.vertices - centre, axis=1)
    to_splat = np.linalg.norm(splat.means - centre, axis=1) + VISIBLE_SIGMAS * splat.scales.max(axis=1)
    radius = float(max(to_surface.max(), to_splat.max(initial=0.0)))
    # a sphere's outline has the radius focal * radius / sqrt(distance² - radius²)
    return radius * float(np.hypot(1, FOCAL_SHARE / (0.5 - MARGIN)))


def _to_vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
