"""Objects of known shape and posed cameras around them, for tests of reconstruction from many views."""

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from workers.engines.objects.surfels import sample_surface
from workers.geometry.cameras import Camera
from workers.geometry.posed import PosedCamera
from workers.geometry.poses import look_at
from workers.geometry.raster import render

Array = NDArray[np.float64]
BACKGROUND = (60, 90, 60)


@dataclass(frozen=True)
class Thing:
    """A mesh in the world (y up, standing on y = -0.5) whose colours follow its coordinates."""

    vertices: Array
    faces: NDArray[np.int64]

    @property
    def colors(self) -> NDArray[np.uint8]:
        return np.clip(255 * (self.vertices + 0.5), 0, 255).astype(np.uint8)

    def photograph(self, view: PosedCamera) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The picture (H, W, 3), unshaded, and the mask (H, W)."""
        image, depth = render(
            self.vertices,
            self.faces,
            self.colors,
            view.camera,
            view.cam_from_world,
            background=BACKGROUND,
            ambient=1.0,
        )
        return image, np.isfinite(depth)

    def points(self, count: int = 4000) -> Array:
        """Points spread over the surface."""
        return sample_surface(self.vertices, self.faces, count, 0).interpolate(self.vertices, self.faces)


def thing(kind: str) -> Thing:
    """A "block" of 0.5 x 1 x 0.35, or a "tee" with arms."""
    block = trimesh.creation.box((0.5, 1.0, 0.35))
    if kind == "tee":
        post, arms = trimesh.creation.box((0.2, 1.0, 0.2)), trimesh.creation.box((0.9, 0.2, 0.2))
        arms.apply_translation((0, 0.4, 0))
        block = trimesh.util.concatenate([post, arms])
    for _ in range(3):
        block = block.subdivide()
    return Thing(np.asarray(block.vertices, dtype=np.float64), np.asarray(block.faces, dtype=np.int64))


def around(
    count: int, arc: float, side: int = 128, *, elevation: float = 25.0, distance: float = 2.6
) -> list[PosedCamera]:
    """Cameras along an arc in degrees about the origin; a closed circle does not end where it began."""
    camera = Camera.with_field_of_view(side, side, 40.0)
    out = []
    for k in range(count):
        turn = np.radians(arc * k / (count if arc == 360 else count - 1) - arc / 2 + 20)
        e = np.radians(elevation)
        eye = distance * np.array([np.sin(turn) * np.cos(e), np.sin(e), np.cos(turn) * np.cos(e)])
        out.append(PosedCamera(camera, look_at(eye, [0, 0, 0])))
    return out
