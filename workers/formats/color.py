"""Colour conversions: the sRGB transfer function, and spherical harmonics of degree 0.

Images and splats carry sRGB; glTF stores vertex colours linear (IEC 61966-2-1). Splat files store colours as
the coefficient of the constant spherical harmonic, color = 0.5 + C0 * coefficient (Kerbl et al. 2023).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.geometry.spherical_harmonics import SH_C0


def srgb_to_linear(values: NDArray[np.uint8] | NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB to linear light; uint8 in [0, 255] or float in [0, 1] of any shape to float64 in [0, 1]."""
    x = np.asarray(values, dtype=np.float64)
    if values.dtype == np.uint8:
        x = x / 255.0
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Linear light in [0, 1] of any shape to sRGB uint8, rounded to nearest."""
    x = np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)
    encoded = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255.0).astype(np.uint8)


def color_to_sh(colors: NDArray[Any]) -> NDArray[np.float64]:
    """Colours in [0, 1] of any shape to coefficients of degree 0."""
    return np.asarray((colors.astype(np.float64) - 0.5) / SH_C0)


def sh_to_color(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients of degree 0 of any shape to colours, which are not clipped to [0, 1]."""
    return np.asarray(0.5 + SH_C0 * coefficients)


def to_color_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Display colours of any type and shape as sRGB uint8; what is not a number becomes 0.

    uint8 stay as they are and 16 bits are scaled. Floats are 0 to 1, or 0 to 255 where one exceeds 1, as are
    other integers.
    """
    if values.dtype == np.uint8:
        return values
    x = np.nan_to_num(np.asarray(values, dtype=np.float64), posinf=0.0, neginf=0.0)
    if values.dtype == np.uint16:
        x = x / 257.0
    elif values.dtype.kind == "f" and x.size and x.max() <= 1.0:
        x = x * 255.0
    return np.rint(np.clip(x, 0.0, 255.0)).astype(np.uint8)
