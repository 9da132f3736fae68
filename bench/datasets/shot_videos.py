"""Synthetic videos with known cuts and dissolves, and videos of one shot in which much happens but no cut."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]
WIDTH, HEIGHT = 320, 180
SHOT = 60
# dissolves were tuned on the first ten
TUNED = (
    "astronaut", "brick", "chelsea", "coffee", "grass", "motorcycle_left", "rocket", "ihc", "color", "coins"
)  # fmt: skip
OTHERS = (
    "cell", "gravel", "hubble_deep_field", "retina", "moon", "page", "camera", "motorcycle_right",
    "clock_motion", "microaneurysms", "text"
)  # fmt: skip
LONG = 144


def load_photo(name: str) -> Rgb:
    """A photo of scikit-image, twice as large as the window that moves over it."""
    path = next(Path(skimage.data.__file__).parent.glob(f"{name}.*"))
    return np.asarray(Image.open(path).convert("RGB").resize((2 * WIDTH, 2 * HEIGHT)))


def window(image: Rgb, x: float, y: float, zoom: float = 1.0, degrees: float = 0.0) -> Rgb:
    """The window about (x, y) of a photo, which is mirrored beyond its edges."""
    matrix = cv2.getRotationMatrix2D((x, y), degrees, zoom)
    matrix[:, 2] += (WIDTH / 2 - x, HEIGHT / 2 - y)
    return np.asarray(cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))


def dissolving(seed: int, names: Sequence[str], frames: int, speed: float) -> tuple[list[Rgb], list[int]]:
    """A video of panning shots with dissolves between them, and the middle frames of these.

    Shots pan by `speed` pixels per frame, also while they dissolve.
    """
    rng = np.random.default_rng([seed, frames])
    video: list[Rgb] = []
    middles = []
    for name in rng.permutation(list(names)):
        image, angle = load_photo(str(name)), rng.uniform(0, 2 * np.pi)
        length = SHOT + 2 * frames
        new = [
            window(
                image,
                WIDTH + np.cos(angle) * speed * (index - length / 2),
                HEIGHT + np.sin(angle) * speed * (index - length / 2),
            )
            for index in range(length)
        ]
        if video:
            old, video = video[-frames:], video[:-frames]
            middles.append(len(video) + frames // 2)
            for step, (before, after) in enumerate(zip(old, new, strict=False)):
                share = (step + 1) / (frames + 1)
                video.append(np.asarray(cv2.addWeighted(before, 1 - share, after, share, 0)))
            new = new[frames:]
        video += new
    return video, middles


def uncut(kind: str, seed: int, names: Sequence[str]) -> list[Rgb]:
    """One shot of six seconds in which something of a kind happens repeatedly."""
    rng = np.random.default_rng([seed, sorted(HAPPENINGS).index(kind)])
    image, other = (load_photo(str(name)) for name in rng.choice(list(names), 2, replace=False))
    angle, phase = rng.uniform(0, 2 * np.pi), rng.uniform(0, 6)
    return [HAPPENINGS[kind](image, other, index, angle, phase) for index in range(LONG)]


def _along(image: Rgb, way: float, angle: float, zoom: float = 1.0, degrees: float = 0.0) -> Rgb:
    return window(image, WIDTH + np.cos(angle) * way, HEIGHT + np.sin(angle) * way, zoom, degrees)


def _wave(index: int, period: float, phase: float) -> float:
    return float(np.sin(2 * np.pi * index / period + phase))


def _swing(image: Rgb, other: Rgb, index: int, angle: float, phase: float) -> Rgb:
    """Pans of up to 40 pixels per frame, with rests."""
    return _along(image, sum(40 * max(0.0, _wave(k, 48, phase)) ** 3 for k in range(index)), angle)


def _flash(image: Rgb, other: Rgb, index: int, angle: float, phase: float) -> Rgb:
    frame = _along(image, index / 2, angle)
    return np.asarray(cv2.addWeighted(frame, 0.3, frame, 0, 180)) if index % 24 in (5, 6) else frame


def _lamp(image: Rgb, other: Rgb, index: int, angle: float, phase: float) -> Rgb:
    light = 1 + 0.8 * _wave(index, 40, phase)
    return np.asarray(cv2.convertScaleAbs(_along(image, index / 2, angle), alpha=light))


def _focus(image: Rgb, other: Rgb, index: int, angle: float, phase: float) -> Rgb:
    blur = 0.3 + 9 * (0.5 + 0.5 * _wave(index, 48, phase))
    return np.asarray(cv2.GaussianBlur(_along(image, index / 2, angle), (0, 0), blur))


def _passing(image: Rgb, other: Rgb, index: int, angle: float, phase: float) -> Rgb:
    """Something as large as the window passes through it."""
    shown = _along(image, index / 2, angle).copy()
    left = (index % 48) * (WIDTH + 300) // 48 - 300
    place = slice(max(0, left), max(0, left + 260))
    shown[:, place] = _along(other, index / 2, angle)[:, place]
    return shown


HAPPENINGS: dict[str, Callable[[Rgb, Rgb, int, float, float], Rgb]] = {
    "swings": _swing,
    "pans of 8 pixels": lambda image, _, index, angle, phase: _along(image, 8 * index, angle),
    "pans of 2 pixels": lambda image, _, index, angle, phase: _along(image, 2 * index, angle),
    "flashes": _flash,
    "lamps": _lamp,
    "zooms": lambda image, _, index, angle, phase: _along(
        image, index / 2, angle, 2 ** (1.2 * _wave(index, 72, phase) + 0.6)
    ),
    "turns": lambda image, _, index, angle, phase: _along(
        image, index / 2, angle, degrees=180 * _wave(index, 72, phase)
    ),
    "focus": _focus,
    "passing": _passing,
}
