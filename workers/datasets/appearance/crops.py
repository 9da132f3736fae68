"""Reference crops: for each track the best views, spread over the clip."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from workers.datasets.schema import FeatureRow
from workers.engines.protocols import Box, Rgb

MARGIN = 0.15
SIDE = 224
QUALITY = 92
# a hidden or cut-off view is worth less than a smaller whole one
PENALTY = 0.4


@dataclass(frozen=True, slots=True)
class Crop:
    """A square window of a frame, in relative units 0..1 of its width and height, as JPEG."""

    frame: int
    quality: float
    window: Box
    jpeg: bytes


class CropSelector:
    """Keeps the best view of each of `count` equal parts of the clip, for each track."""

    def __init__(self, count: int, frames: int) -> None:
        self._count, self._frames = count, max(1, frames)
        self._best: dict[int, dict[int, Crop]] = {}

    def offer(
        self, track: int, frame: int, image: Rgb, box: Box, score: float, area: int, flags: Sequence[str]
    ) -> None:
        """Show the book a view; `box` is in pixels of `image`."""
        if not self._count:
            return
        quality = score * math.sqrt(area) * PENALTY ** len({"occluded", "truncated"} & set(flags))
        part = frame * self._count // self._frames
        mine = self._best.setdefault(track, {})
        if part in mine and mine[part].quality >= quality:
            return
        window = make_square(box)
        picture = _cut(image, window)
        height, width = image.shape[:2]
        relative = window[0] / width, window[1] / height, window[2] / width, window[3] / height
        mine[part] = Crop(frame, quality, relative, picture)

    def chosen(self) -> dict[int, list[Crop]]:
        """The crops of each track, best first."""
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
    """The window as a JPEG of at most 224 pixels a side; what lies outside the image repeats its edge."""
    side = max(1, round(window[2] - window[0]))
    x, y = round(window[0]), round(window[1])
    height, width = image.shape[:2]
    rows = np.clip(np.arange(y, y + side), 0, height - 1)
    columns = np.clip(np.arange(x, x + side), 0, width - 1)
    patch = image[rows[:, None], columns[None, :]]
    if side > SIDE:
        patch = cv2.resize(patch, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    flipped = cv2.cvtColor(np.ascontiguousarray(patch), cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", flipped, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return data.tobytes()
