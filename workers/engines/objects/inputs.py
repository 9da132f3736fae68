"""Checking what object engines are given."""

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Rgb
from workers.geometry.cameras import Camera


class EmptyMaskError(ValueError):
    """The mask holds no pixel, so there is no object to reconstruct."""


def check_inputs(image: Rgb, mask: Mask, camera: Camera | None, depth: NDArray[np.float32] | None) -> None:
    """Raise ValueError for types, sizes or intrinsics that do not fit `ObjectEngine.reconstruct`.

    Raises EmptyMaskError for a mask without a pixel.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"the image must be uint8 of shape (H, W, 3), got {image.dtype} {image.shape}")
    size = image.shape[:2]
    if mask.dtype != np.bool_ or mask.shape != size:
        raise ValueError(
            f"the mask must be bool of shape {size} like the image, got {mask.dtype} {mask.shape}"
        )
    if not mask.any():
        raise EmptyMaskError("the mask is empty: give a mask with at least one pixel of the object")
    if depth is not None and depth.shape != size:
        raise ValueError(f"the depth map must have shape {size} like the image, got {depth.shape}")
    if camera is not None:
        if (camera.height, camera.width) != size:
            raise ValueError(f"the camera is for {camera.height} x {camera.width}, the image is {size}")
        if not (np.isfinite(camera.matrix()).all() and camera.fx > 0 and camera.fy > 0):
            raise ValueError("the camera's intrinsics must be finite, with positive focal lengths")
