"""The sRGB transfer function (IEC 61966-2-1); glTF stores vertex colours linear, images carry sRGB."""

import numpy as np
from numpy.typing import NDArray


def srgb_to_linear(values: NDArray[np.uint8] | NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB to linear light; uint8 in [0, 255] or float in [0, 1] of any shape, float64 in [0, 1] out."""
    x = np.asarray(values, dtype=np.float64)
    if values.dtype == np.uint8:
        x = x / 255.0
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Linear light in [0, 1] of any shape to sRGB uint8, rounded to nearest."""
    x = np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)
    encoded = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255.0).astype(np.uint8)
