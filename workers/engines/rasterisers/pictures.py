"""Pictures of splats for people: by the rasteriser that this machine has, else in plain NumPy."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from workers.engines.rasterisers.choice import best
from workers.engines.rasterisers.protocol import Gaussians, Rasteriser, RasteriserMissing
from workers.formats.splat import Splat, transform
from workers.geometry.cameras import Camera
from workers.geometry.posed import PosedCamera
from workers.geometry.poses import Similarity
from workers.geometry.splat_preview import splat_preview


def splat_picture(splat: Splat, camera: Camera, cam_from_splat: Similarity) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a splat over white."""
    rasteriser = _rasteriser()
    if rasteriser is None:
        return splat_preview(splat, camera, cam_from_splat)
    # views are rigid: what has a scale is moved before the camera instead
    placed = splat if cam_from_splat.scale == 1 else transform(splat, cam_from_splat)
    pose = cam_from_splat if cam_from_splat.scale == 1 else Similarity()
    gaussians = Gaussians(placed.means, placed.rotations, placed.scales, placed.opacities, placed.colors)
    drawn = rasteriser.draw(gaussians, PosedCamera(camera, pose))
    return np.asarray(np.clip(np.round(255 * (drawn.color + 1 - drawn.alpha[..., None])), 0, 255), np.uint8)


@cache
def _rasteriser() -> Rasteriser | None:
    try:
        return best()
    except RasteriserMissing:
        return None
