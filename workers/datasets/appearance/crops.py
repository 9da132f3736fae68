"""Reference crops: the best views of each track, spread over the clip."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from workers.datasets.images import encode_jpeg
from workers.datasets.schema import FeatureRow
from workers.engines.protocols import Box, Rgb

# of a box's longer side, on each side of the crop; chosen, not measured
MARGIN = 0.15
# pixels of a side at most: the input of common image encoders
SIDE = 224
# factor on the quality of an occluded or truncated view: a smaller view of everything is worth more.
# Chosen, not measured
PENALTY = 0.4


@dataclass(frozen=True, slots=True)
class Crop:
    """A square window of a frame as JPEG; `window` is xyxy in shares 0..1 of the frame's width and height."""

    frame: int
    quality: float
    window: Box
    jpeg: bytes


class CropSelector:
    """Keeps the best view of each track in each of `count` equal parts of a clip of `frames` frames."""

    def __init__(self, count: int, frames: int) -> None:
        self._count, self._frames = count, max(1, frames)
        self._best: dict[int, dict[int, Crop]] = {}

    def offer(
        self, track: int, frame: int, image: Rgb, box: Box, score: float, area: int, flags: Sequence[str]
    ) -> None:
        """Consider a view; `box` is in pixels of `image`, `area` in pixels of the mask."""
        if not self._count:
            return
        quality = score * math.sqrt(area) * PENALTY ** len({"occluded", "truncated"} & set(flags))
        part = frame * self._count // self._frames
        best = self._best.setdefault(track, {})
        if part in best and best[part].quality >= quality:
            return
        window = make_square(box)
        height, width = image.shape[:2]
        relative = window[0] / width, window[1] / height, window[2] / width, window[3] / height
        best[part] = Crop(frame, quality, relative, _cut(image, window))

    def select(self) -> dict[int, list[Crop]]:
        """The crops of each track, the best first."""
        return {
            track: sorted(parts.values(), key=lambda crop: (-crop.quality, crop.frame))
            for track, parts in self._best.items()
        }


def make_square(box: Box) -> Box:
    """A square around a box with a margin of 15% of its longer side."""
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * MARGIN)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


def build_crop_rows(
    clip: str, track: int, crops: Sequence[Crop], width: int, height: int
) -> list[FeatureRow]:
    """Crops as rows; windows in pixels of stored frames of width x height."""
    return [
        FeatureRow(
            clip=clip,
            track=track,
            frame=crop.frame,
            kind="crop",
            encoder=None,
            rank=rank,
            x0=crop.window[0] * width,
            y0=crop.window[1] * height,
            x1=crop.window[2] * width,
            y1=crop.window[3] * height,
            jpeg=crop.jpeg,
            vector=None,
        )
        for rank, crop in enumerate(crops)
    ]


def _cut(image: Rgb, window: Box) -> bytes:
    """The window as a JPEG of at most 224 pixels a side; outside the image its edge is repeated."""
    side = max(1, round(window[2] - window[0]))
    x, y = round(window[0]), round(window[1])
    height, width = image.shape[:2]
    rows = np.clip(np.arange(y, y + side), 0, height - 1)
    columns = np.clip(np.arange(x, x + side), 0, width - 1)
    patch = image[rows[:, None], columns[None, :]]
    if side > SIDE:
        patch = cv2.resize(patch, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return encode_jpeg(np.ascontiguousarray(patch))
