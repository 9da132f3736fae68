"""The colours of an image between its pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.geometry.meshes import Wrap


def sample_bilinear(
    image: NDArray[np.uint8] | NDArray[np.float32],
    pixels: NDArray[np.float64],
    wrap: tuple[Wrap, Wrap] = ("clamp", "clamp"),
) -> NDArray[np.float64]:
    """The values (N, C) of an image (H, W, C) at pixels (N, 2) xy, whose centres are at +0.5.

    `wrap` says how the image goes on beyond it in x and in y.
    """
    where: list[NDArray[np.float64]] = []
    padded: NDArray[Any] = image
    for axis, mode in enumerate(reversed(wrap)):
        count = image.shape[axis]
        where.append(_fold(pixels[:, 1 - axis], count, mode) + 0.5)
        width = [(1, 1) if axis == each else (0, 0) for each in range(3)]
        padded = np.pad(padded, width, mode="wrap" if mode == "repeat" else "edge")
    planes = [
        ndimage.map_coordinates(padded[..., channel].astype(np.float64), where, order=1)
        for channel in range(image.shape[2])
    ]
    return np.stack(planes, axis=1)


def _fold(places: NDArray[np.float64], count: int, wrap: Wrap) -> NDArray[np.float64]:
    """The places (N,) in 0..count of an axis that places beyond it show."""
    if wrap == "clamp":
        return np.clip(places, 0.0, count)
    if wrap == "mirror":
        folded = places % (2 * count)
        return np.minimum(folded, 2 * count - folded)
    return places % count
