"""Photos of painted shapes by posed cameras."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.objects.appearance import photograph
from bench.objects.geometry_scores import orbit
from bench.objects.painted_shapes import PaintedMesh
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera

DISTANCE, ELEVATION = 2.6, 25.0


@dataclass(frozen=True)
class Photos:
    """The image (H, W, 3) and the mask (H, W) of each view."""

    images: list[NDArray[np.uint8]]
    masks: list[NDArray[np.bool_]]
    views: list[PosedCamera]


def ring(count: int, arc: float, camera: Camera, shift: float = 0.0) -> list[PosedCamera]:
    """Cameras along an arc about the origin, in degrees; a full circle does not repeat its start."""
    steps = np.arange(count) / (count if arc == 360 else count - 1)
    return [PosedCamera(camera, orbit(arc * (s - 0.5) + 20 + shift, ELEVATION, DISTANCE)) for s in steps]


def take_photos(
    shape: PaintedMesh, views: list[PosedCamera], *, noise: float = 0.0, exposure: float = 0.0
) -> Photos:
    """Unshaded images with noise in grey levels, each brighter or darker by up to a share `exposure`."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for view in views:
        image, mask = photograph((shape.vertices, shape.faces, shape.colors), view)
        exposed = image * (1 + rng.uniform(-exposure, exposure)) + noise * rng.normal(size=image.shape)
        images.append(np.clip(np.round(exposed), 0, 255).astype(np.uint8))
        masks.append(mask)
    return Photos(images, masks, views)
