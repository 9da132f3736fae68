"""Rendered people of simple shapes who walk past each other, with exact masks at 30 frames per second."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.scenes import make_wall

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]
RATE = 30
SIZE = (144, 256)


@dataclass(frozen=True, kw_only=True)
class Walker:
    """A body, a head and two swinging legs and arms; places in pixels, speed in pixels per second."""

    start: tuple[float, float]
    speed: tuple[float, float]
    color: tuple[int, int, int]
    height: float = 64.0
    strides: float = 1.0

    def draw_mask(self, seconds: float) -> Mask:
        """The mask at a moment."""
        x, y = (start + speed * seconds for start, speed in zip(self.start, self.speed, strict=True))
        unit = self.height / 8
        out = np.zeros(SIZE, np.uint8)
        cv2.ellipse(out, (round(x), round(y)), (round(1.1 * unit), round(1.8 * unit)), 0, 0, 360, 1, -1)
        cv2.circle(out, (round(x), round(y - 2.7 * unit)), round(0.8 * unit), 1, -1)
        swing = 0.55 * np.sin(2 * np.pi * self.strides * seconds)
        for sign in (-1, 1):
            for top, length, width in ((1.4, 2.6, 0.8), (-1.2, 2.3, 0.5)):
                angle = sign * swing * (1 if top > 0 else -1)
                a = round(x + sign * 0.3 * unit), round(y + top * unit)
                b = round(a[0] + length * unit * np.sin(angle)), round(a[1] + length * unit * np.cos(angle))
                cv2.line(out, a, b, 1, max(1, round(width * unit)))
        return out > 0


def render_walkers(
    walkers: Sequence[Walker], seconds: float, step: int = 1, seed: int = 0
) -> tuple[list[Rgb], list[dict[int, Mask]]]:
    """Each `step`-th of 30 frames per second, and visible masks by number from 1; the last is in front."""
    wall = make_wall(seed, SIZE)
    frames, masks = [], []
    for index in range(0, round(seconds * RATE), step):
        image, seen = wall.copy(), {}
        for number, walker in enumerate(walkers, 1):
            mask = walker.draw_mask(index / RATE)
            seen = {other: own & ~mask for other, own in seen.items()}
            image[mask] = walker.color
            # stripes, which optical flow can hold on to
            rows = (np.arange(SIZE[0]) % 8 < 2)[:, None]
            image[mask & rows] = np.array(walker.color) * 3 // 4
            seen[number] = mask
        frames.append(image)
        masks.append({number: mask for number, mask in seen.items() if mask.any()})
    return frames, masks
