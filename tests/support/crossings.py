"""Drawn clips in which look-alikes cross: equal discs, boxes or people, with exact masks and ids."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Mask, Rgb

KINDS = ("disc", "box", "person")
HEIGHT, WIDTH = 240, 320
SCALE = 4  # objects are drawn this much larger, so that their edges are smooth

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingClip:
    """Two equal objects on a textured background: frames (N, H, W, 3), ids (N, H, W) with 0 for background.

    `meeting` is the first frame in which the silhouettes touch, `parting` the first after the last such
    frame; both are N where they never touch.
    """

    frames: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    meeting: int
    parting: int

    def mask(self, frame: int, number: int) -> Mask:
        """The visible pixels (H, W) of an object, 1 or 2, in a frame."""
        return np.asarray(self.ids[frame] == number)


def draw_crossing(seed: int, kind: str, *, frames: int = 40, bounce: bool = False) -> CrossingClip:
    """Two equal objects that meet halfway through the clip; with `bounce` they turn back where they touch."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    background = _draw_background(rng)
    size = rng.uniform(34, 58)
    texture = _draw_texture(rng, kind, int(size * 1.2))
    silhouette = _draw_silhouette(kind, size)
    paths = _draw_paths(rng, kind, frames, size, bounce)
    front = int(rng.integers(2))
    images, ids, touching = [], [], []
    for frame in range(frames):
        image = background.astype(np.float32)
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        alphas = [_place(silhouette, paths[number][frame]) for number in (0, 1)]
        for number in (1 - front, front):
            alpha = alphas[number][..., None]
            image = image * (1 - alpha) + _place(texture, paths[number][frame]) * alpha
            labels[alphas[number] > 0.5] = number + 1
        noise = rng.normal(0, 2, image.shape)
        images.append(np.clip(image + noise, 0, 255).astype(np.uint8))
        ids.append(labels)
        touching.append(bool(np.any((alphas[0] > 0.5) & (cv2.dilate(alphas[1], np.ones((3, 3))) > 0.5))))
    met = [index for index, value in enumerate(touching) if value]
    return CrossingClip(
        frames=np.stack(images),
        ids=np.stack(ids),
        meeting=met[0] if met else frames,
        parting=met[-1] + 1 if met else frames,
    )


def _draw_background(rng: np.random.Generator) -> Rgb:
    blocks = rng.uniform(60, 150, (HEIGHT // 10, WIDTH // 10, 3)).astype(np.float32)
    smooth = cv2.resize(blocks, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth.clip(0, 255), dtype=np.uint8)


def _draw_silhouette(kind: str, size: float) -> NDArray[np.float32]:
    side = int(size * 1.2) * SCALE
    canvas = np.zeros((side, side), np.uint8)
    middle, half = side // 2, int(size * SCALE / 2)
    if kind == "disc":
        cv2.circle(canvas, (middle, middle), half, 255, -1)
    elif kind == "box":
        cv2.rectangle(
            canvas,
            (middle - half, middle - half * 7 // 10),
            (middle + half, middle + half * 7 // 10),
            255,
            -1,
        )
    else:
        cv2.circle(canvas, (middle, middle - half * 7 // 10), half * 3 // 10, 255, -1)
        cv2.ellipse(canvas, (middle, middle), (half * 4 // 10, half * 5 // 10), 0, 0, 360, 255, -1)
        for direction in (-1, 1):
            foot = middle + direction * half // 5
            cv2.line(canvas, (foot, middle), (foot, middle + half * 9 // 10), 255, half // 4)
    return np.asarray(
        cv2.resize(canvas, None, fx=1 / SCALE, fy=1 / SCALE, interpolation=cv2.INTER_AREA) / 255, np.float32
    )


def _draw_texture(rng: np.random.Generator, kind: str, side: int) -> NDArray[np.float32]:
    color = rng.uniform(0, 255, 3)
    texture = np.ones((side, side, 3), np.float32) * color
    if kind == "person":
        texture[: side * 3 // 10] = rng.uniform(120, 230, 3)
        texture[side * 6 // 10 :] = rng.uniform(0, 120, 3)
    return np.asarray(texture, np.float32)


def _draw_paths(rng: np.random.Generator, kind: str, frames: int, size: float, bounce: bool) -> list[Floats]:
    times = np.arange(frames) - (frames - 1) / 2
    speed = rng.uniform(3, 6, 2)
    tilt = rng.uniform(-0.15, 0.15, 2)
    offset = rng.uniform(-0.35, 0.35) * size
    along = np.stack([times * speed[0], -times * speed[1]])
    if bounce:
        nearest = size * (0.1 if kind == "person" else 0.42)
        along = np.stack([-np.abs(along[0]) - nearest, np.abs(along[1]) + nearest])
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    return [
        middle
        + np.stack(
            [along[number], along[number] * tilt[number] + (offset / 2 if number else -offset / 2)], axis=1
        )
        for number in (0, 1)
    ]


def _place(patch: NDArray[np.float32], center: Floats) -> NDArray[np.float32]:
    height, width = patch.shape[:2]
    shift = np.array([[1, 0, center[0] - (width - 1) / 2], [0, 1, center[1] - (height - 1) / 2]], np.float64)
    return np.asarray(cv2.warpAffine(patch, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR))
