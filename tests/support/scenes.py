"""Synthetic scenes with the exact masks of their objects."""

from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from skimage.draw import disk
from skimage.filters import gaussian

from tests.support.media_files import write_clip

SIZE = (240, 320)
MOTORCYCLE = Path(skimage.data.__file__).parent / "motorcycle_left.png"


def make_wall(seed: int = 0, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A soft grey texture (H, W, 3)."""
    noise = gaussian(np.random.default_rng(seed).random(size), 3)
    noise = (noise - noise.min()) / np.ptp(noise)
    return np.repeat((110 + 60 * noise)[..., None], 3, axis=2).astype(np.uint8)


def draw_ball(
    image: NDArray[np.uint8], center: tuple[float, float], radius: float, color: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Draw a shaded, striped ball at (y, x) into an image; returns its exact mask."""
    mask = np.zeros(image.shape[:2], np.bool_)
    rows, columns = disk(center, radius, shape=image.shape[:2])
    mask[rows, columns] = True
    y, x = np.nonzero(mask)
    fall = 1 - 0.5 * np.hypot(y - center[0] + radius / 3, x - center[1] + radius / 3) / radius
    stripe = 0.75 + 0.25 * (np.sin((x - center[1]) / radius * 9) > 0)
    image[y, x] = np.clip(np.array(color) * (fall * stripe)[:, None], 0, 255).astype(np.uint8)
    return mask


def write_ball_video(path: Path, frames: int) -> list[NDArray[np.bool_]]:
    """Write a video of a ball that crosses the wall; returns the exact mask of every frame."""
    background = make_wall()
    images, masks = [], []
    for index in range(frames):
        image = background.copy()
        phase = index / 96
        center = (120 + 40 * np.sin(4 * phase), 60 + 190 * (0.5 - 0.5 * np.cos(np.pi * phase)))
        masks.append(draw_ball(image, center, 34, (220, 60, 40)))
        images.append(image)
    write_clip(path, images, rate=24)
    return masks


def load_motorcycle(size: tuple[int, int]) -> NDArray[np.uint8]:
    """The photo of a motorcycle that scikit-image carries, (H, W, 3); `size` is (width, height)."""
    return np.asarray(Image.open(MOTORCYCLE).convert("RGB").resize(size))
