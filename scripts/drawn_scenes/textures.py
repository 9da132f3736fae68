"""Textures of the MOVi-like clips: dull ground for the room, strong patterns for the objects."""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rgb = NDArray[np.uint8]


def _make_noise(rng: np.random.Generator, cells: int, side: int = 256) -> Floats:
    raw = rng.random((cells, cells))
    return np.asarray(cv2.resize(raw, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1))


def paint_ground(rng: np.random.Generator) -> Rgb:
    """A dull texture of low contrast, with planks in half of the cases."""
    tint = 130 + 70 * rng.random(3) * rng.uniform(0.3, 1) - 20
    value = 0.8 + 0.25 * _make_noise(rng, 12) + 0.15 * _make_noise(rng, 60)
    if rng.random() < 0.5:
        value *= 0.9 + 0.1 * (np.arange(256) // 11 % 2)[:, None]
    return np.asarray((tint * value[..., None]).clip(0, 255), np.uint8)


def paint_skin(rng: np.random.Generator, hue: float) -> Rgb:
    """A strong colour with one of five patterns."""
    hsv = np.array([[[hue * 179, rng.uniform(120, 230), rng.uniform(150, 240)]]], np.uint8)
    tint = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)
    rows, columns = np.mgrid[:256, :256] // int(rng.integers(24, 44))
    patterns = (
        np.ones((256, 256)),
        0.55 + 0.45 * (rows % 2),
        0.55 + 0.45 * ((rows + columns) % 2),
        0.5 + 0.6 * _make_noise(rng, int(rng.integers(5, 12))),
        1.0 - 0.45 * (_make_noise(rng, 9) > 0.6),
    )
    value = patterns[int(rng.integers(len(patterns)))]
    return np.asarray((tint * value[..., None]).clip(0, 255), np.uint8)
