"""Which of eleven colours a pixel and an object have."""

import cv2
import numpy as np
from maquette.contract.vocabulary import COLORS
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Rgb

# Upper ends of hue in degrees in OpenCV's HSV; red wraps around. With these and the bounds in `color_names`,
# everyday CSS colours get their own names (tests/workers/engines/concepts/images/test_attributes.py).
HUES: tuple[tuple[float, str], ...] = (
    (11, "red"), (44, "orange"), (70, "yellow"), (166, "green"), (258, "blue"), (292, "purple"),
    (338, "pink"), (361, "red"),
)  # fmt: skip
# a mask's rim mixes with the background: it is left out where this share of the mask remains without it
MIN_INNER_SHARE = 0.3


def color_names(image: Rgb) -> NDArray[np.uint8]:
    """The index in COLORS of each pixel (H, W) of an RGB image.

    Saturation and value separate black, grey and white from the hues; dark orange is brown, pale red is pink
    (after the basic colour terms of Berlin and Kay, 1969).
    """
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL).astype(np.float32)
    hue, saturation, value = hsv[..., 0] * (360 / 256), hsv[..., 1] / 255, hsv[..., 2] / 255
    out = np.empty(hue.shape, np.uint8)
    start = -1.0
    for end, name in HUES:
        out[(hue >= start) & (hue < end)] = COLORS.index(name)
        start = end
    warm = (hue < 50) | (hue >= 345)
    out[(hue >= 8) & (hue < 50) & (value < 0.65)] = COLORS.index("brown")
    out[(hue >= 292) & (hue < 338) & (value < 0.65)] = COLORS.index("purple")
    out[(hue < 20) & (value < 0.45) & (saturation < 0.75)] = COLORS.index("brown")
    out[warm & (saturation < 0.5) & (value > 0.8) & ((hue < 20) | (hue >= 345))] = COLORS.index("pink")
    plain = saturation < np.where(value > 0.6, 0.16, 0.24)
    out[plain] = COLORS.index("grey")
    out[plain & (value > 0.78)] = COLORS.index("white")
    out[value < 0.2] = COLORS.index("black")
    return out


def color_share(names: NDArray[np.uint8], mask: Mask, color: str) -> float:
    """The share (0..1) of a mask's pixels (H, W) that have a colour; the rim counts only in thin masks."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    chosen = names[inner if inner.sum() > MIN_INNER_SHARE * mask.sum() else mask]
    return float((chosen == COLORS.index(color)).mean()) if chosen.size else 0.0
