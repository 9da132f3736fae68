"""Views around an asset for people to judge: it fits the frame from every direction, in its own colours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import ObjectAsset, Rgb
from workers.engines.rasterisers.preview import preview_splat
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
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


@dataclass(frozen=True, slots=True)
class AssetViews:
    """Renders an asset from cameras on a sphere around it; images are square with `side` pixels."""

    asset: ObjectAsset
    side: int

    def render(self, direction: Vector) -> tuple[Rgb, Rgb]:
        """The mesh and the splat as seen from `direction`, each RGB (side, side, 3) over white."""
        mesh, centre = self.asset.mesh, self._centre()
        towards = np.asarray(direction) / np.linalg.norm(direction)
        eye = centre + self._distance(centre) * towards
        pose = look_at(_to_vector(eye), _to_vector(centre))
        camera = self._camera()
        surface, _ = render_mesh(mesh.vertices, mesh.faces, mesh.colors, camera, pose, ambient=AMBIENT)
        return surface, preview_splat(self.asset.splat, camera, pose)

    def _camera(self) -> Camera:
        focal, middle = FOCAL_SHARE * self.side, self.side / 2
        return Camera(self.side, self.side, focal, focal, middle, middle)

    def _centre(self) -> NDArray[np.float64]:
        vertices = self.asset.mesh.vertices
        return np.asarray((vertices.min(axis=0) + vertices.max(axis=0)) / 2)

    def _distance(self, centre: NDArray[np.float64]) -> float:
        """How far the camera is from the centre, so that the bounding sphere of mesh and splat fits."""
        splat = self.asset.splat
        to_surface = np.linalg.norm(self.asset.mesh.vertices - centre, axis=1)
        to_splat = np.linalg.norm(splat.means - centre, axis=1) + VISIBLE_SIGMAS * splat.scales.max(axis=1)
        radius = float(max(to_surface.max(), to_splat.max(initial=0.0)))
        # a sphere's outline has the radius focal * radius / sqrt(distance² - radius²)
        return radius * float(np.hypot(1, FOCAL_SHARE / (0.5 - MARGIN)))


def _to_vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
