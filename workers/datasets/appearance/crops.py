"""Reference crops: the best views of each track, spread over the clip."""

import math
from collections.abc import Iterable, Sequence
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
# seconds within which one view is kept while frames go by: half of the shortest tracklet, so that every part
# of a track that is divided later has a view of its own
SLOT_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Crop:
    """A square window of a frame as JPEG; `window` is xyxy in shares 0..1 of the frame's width and height."""

    frame: int
    quality: float
    window: Box
    jpeg: bytes


class CropSelector:
    """Keeps the best view of each track in every 0.3 s, at most, of a clip of `frames` frames."""

    def __init__(self, count: int, frames: int, interval: float) -> None:
        """`count` is the number of parts of the clip of which `select` takes one view each.

        `interval` is the time between frames in seconds.
        """
        self._count, self._frames = count, max(1, frames)
        per_part = math.ceil(frames * interval / max(1, count) / SLOT_SECONDS)
        self._slots = count * max(1, per_part)
        self._best: dict[int, dict[int, Crop]] = {}

    def offer(
        self, track: int, frame: int, image: Rgb, box: Box, score: float, area: int, flags: Sequence[str]
    ) -> None:
        """Consider a view; `box` is in pixels of `image`, `area` in pixels of the mask."""
        if not self._count:
            return
        quality = score * math.sqrt(area) * PENALTY ** len({"occluded", "truncated"} & set(flags))
        slot = frame * self._slots // self._frames
        best = self._best.setdefault(track, {})
        if slot in best and best[slot].quality >= quality:
            return
        window = make_square(box)
        height, width = image.shape[:2]
        relative = window[0] / width, window[1] / height, window[2] / width, window[3] / height
        best[slot] = Crop(frame, quality, relative, _cut(image, window))

    @property
    def views(self) -> dict[int, list[Crop]]:
        """All views of each track that were kept."""
        return {track: list(slots.values()) for track, slots in self._best.items()}

    def select(self, views: Iterable[Crop]) -> list[Crop]:
        """The best view in each part of the clip, the best first."""
        parts: dict[int, Crop] = {}
        for crop in sorted(views, key=_rank):
            parts.setdefault(crop.frame * self._count // self._frames, crop)
        return list(parts.values())


def _rank(crop: Crop) -> tuple[float, int]:
    """The order of crops, the best first."""
    return -crop.quality, crop.frame


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
