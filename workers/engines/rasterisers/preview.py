"""Previews of splats, by the rasteriser that this machine can run, else in NumPy."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from workers.engines.rasterisers.choice import choose_rasteriser
from workers.engines.rasterisers.protocol import Rasteriser, RasteriserMissing
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity
from workers.geometry.splat_renderer import render_splat


def preview_splat(splat: Gaussians, camera: Camera, cam_from_splat: Similarity) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a splat over white."""
    rasteriser = _rasteriser()
    if rasteriser is None:
        return render_splat(splat, camera, cam_from_splat)
    # A view is rigid: a splat with a scaled pose is moved into the camera frame instead.
    placed = splat if cam_from_splat.scale == 1 else transform(splat, cam_from_splat)
    pose = cam_from_splat if cam_from_splat.scale == 1 else Similarity()
    rendering = rasteriser.render(placed, PosedCamera(camera, pose))
    over_white = rendering.color + 1 - rendering.alpha[..., None]
    return np.asarray(np.clip(np.round(255 * over_white), 0, 255), dtype=np.uint8)


@cache
def _rasteriser() -> Rasteriser | None:
    try:
        return choose_rasteriser()
    except RasteriserMissing:
        return None
