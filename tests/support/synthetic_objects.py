"""Objects of known shape and posed cameras around them, for tests of reconstruction from many views."""

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from workers.engines.objects.splats.surfels import sample_surface
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import look_at

Array = NDArray[np.float64]
BACKGROUND = (60, 90, 60)
Corner = tuple[float, float, float]
PARTS: dict[str, list[tuple[Corner, Corner]]] = {
    "block": [((-0.25, -0.5, -0.175), (0.25, 0.5, 0.175))],
    "tee": [((-0.1, -0.5, -0.1), (0.1, 0.5, 0.1)), ((-0.45, 0.3, -0.1), (0.45, 0.5, 0.1))],
    "cup": [
        ((-0.4, -0.5, -0.4), (0.4, -0.4, 0.4)),
        *(((-0.4, -0.5, z), (0.4, 0.5, z + 0.1)) for z in (-0.4, 0.3)),
        *(((x, -0.5, -0.4), (x + 0.1, 0.5, 0.4)) for x in (-0.4, 0.3)),
    ],
    "table": [
        ((-0.5, 0.0, -0.35), (0.5, 0.12, 0.35)),
        *(((x, -0.5, z), (x + 0.1, 0.06, z + 0.1)) for x in (-0.48, 0.38) for z in (-0.33, 0.23)),
    ],
}


@dataclass(frozen=True)
class SyntheticObject:
    """A mesh in the world (y up, standing on y = -0.5) with colours that vary smoothly."""

    vertices: Array
    faces: NDArray[np.int64]
    wavy: bool = False

    @property
    def colors(self) -> NDArray[np.uint8]:
        if self.wavy:
            return (128 + 100 * np.sin(self.vertices @ (15 * np.eye(3) + 4))).astype(np.uint8)
        return np.clip(255 * (self.vertices + 0.5), 0, 255).astype(np.uint8)

    def photograph(self, view: PosedCamera) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The image (H, W, 3), unshaded, and the mask (H, W)."""
        image, depth = render_mesh(
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


def make_object(kind: str, *, wavy: bool = False) -> SyntheticObject:
    """A "block" of 0.5 x 1 x 0.35, a "tee" with arms, a "cup" with walls of 0.1, or a "table"."""
    mesh = trimesh.util.concatenate([_box(*low_and_high) for low_and_high in PARTS[kind]])
    for _ in range(3):
        mesh = mesh.subdivide()
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    return SyntheticObject(vertices, faces, wavy)


def count_volume(kind: str) -> float:
    """Of the union of a thing's parts, counted on a fine grid."""
    at = (np.stack(np.meshgrid(*[np.arange(100)] * 3, indexing="ij"), axis=-1) + 0.5) / 100 - 0.5
    inside = [((at > low) & (at < high)).all(axis=-1) for low, high in PARTS[kind]]
    return float(np.any(inside, axis=0).mean())


def _box(low: Corner, high: Corner) -> trimesh.Trimesh:
    return trimesh.creation.box(bounds=[low, high])


def cameras_around(
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
