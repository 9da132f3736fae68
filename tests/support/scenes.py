"""Scenes that tests draw themselves, with the exact masks of what is in them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from skimage.draw import disk
from skimage.filters import gaussian

SIZE = (240, 320)


def wall(seed: int = 0, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A soft grey texture (H, W, 3)."""
    noise = gaussian(np.random.default_rng(seed).random(size), 3)
    noise = (noise - noise.min()) / np.ptp(noise)
    return np.repeat((110 + 60 * noise)[..., None], 3, axis=2).astype(np.uint8)


def ball(
    picture: NDArray[np.uint8], center: tuple[float, float], radius: float, color: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Draw a shaded, striped ball at (y, x) and give its exact mask."""
    mask = np.zeros(picture.shape[:2], np.bool_)
    rows, columns = disk(center, radius, shape=picture.shape[:2])
    mask[rows, columns] = True
    y, x = np.nonzero(mask)
    fall = 1 - 0.5 * np.hypot(y - center[0] + radius / 3, x - center[1] + radius / 3) / radius
    stripe = 0.75 + 0.25 * (np.sin((x - center[1]) / radius * 9) > 0)
    picture[y, x] = np.clip(np.array(color) * (fall * stripe)[:, None], 0, 255).astype(np.uint8)
    return mask


def moving_ball(path: Path, frames: int) -> list[NDArray[np.bool_]]:
    """A video of a ball that crosses the wall; gives the exact mask of every frame."""
    masks = []
    background = wall()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "16"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 24)
        for index in range(frames):
            picture = background.copy()
            phase = index / 96
            center = (120 + 40 * np.sin(4 * phase), 60 + 190 * (0.5 - 0.5 * np.cos(np.pi * phase)))
            masks.append(ball(picture, center, 34, (220, 60, 40)))
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return masks
