"""What is measured of tracks while frames go by, in memory that does not grow with the image.

Masks and images are at the size of stored frames. Motion is dense optical flow between neighbouring frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.images.color_histograms import Histogram, color_histogram, quantize_colors
from workers.engines.protocols import Box, Mask, Rgb
from workers.geometry.borders import touches_border
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import box_iou, mask_iou

# pixels of the longer side at which flow is computed; chosen for speed
FLOW_SIDE = 256
# one pixel along the outline is the resolution of masks and no flicker
RIM = np.ones((3, 3), np.uint8)
# IoU with another track's mask, moved by flow, from which a mask may have taken that track's place, and by
# how much it has to exceed the IoU with its own; chosen, not measured
SWITCH_IOU, SWITCH_MARGIN = 0.4, 0.3

Floats = NDArray[np.float32]
Luma = NDArray[np.uint8]


@dataclass(slots=True)
class TrackStats:
    """What is noted of one track; lists have one entry per frame it was seen in, `flickers` one per step.

    `prompt` is the index of the phrase that found it. `areas` are pixels, `box_ious` those of the engine's
    box
    with the mask's own, `switches` counts the frames in which it took another track's place.
    """

    prompt: int
    frames: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    box_ious: list[float] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    appearances: list[Histogram] = field(default_factory=list)
    flickers: list[float] = field(default_factory=list)
    switches: int = 0


@dataclass(frozen=True, slots=True)
class TrackedMask:
    """A track in one frame: its mask, the box that the engine gave it, and the index of its phrase."""

    mask: Mask
    box: Box
    prompt: int


class TrackMetrics:
    """Takes the frames of one clip in order and keeps the statistics of each track."""

    def __init__(self) -> None:
        self.stats: dict[int, TrackStats] = {}
        self._luma: Luma | None = None
        self._previous: dict[int, TrackedMask] = {}
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def add(self, frame: int, image: Rgb, masks: Mapping[int, TrackedMask]) -> None:
        """Note the tracks of a frame; `image` is RGB of the size of the masks."""
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if masks:
            self._note(frame, image, masks)
        if self._luma is not None and self._previous:
            self._compare(self._compute_motion(self._luma, luma), masks)
        self._luma, self._previous = luma, dict(masks)

    def _note(self, frame: int, image: Rgb, masks: Mapping[int, TrackedMask]) -> None:
        bins = quantize_colors(image)
        for track, tracked in masks.items():
            stats = self.stats.setdefault(track, TrackStats(tracked.prompt))
            stats.frames.append(frame)
            stats.areas.append(int(np.count_nonzero(tracked.mask)))
            stats.box_ious.append(box_iou(bounding_box(tracked.mask), tracked.box))
            stats.truncated.append(touches_border(tracked.mask))
            stats.appearances.append(color_histogram(bins, tracked.mask))

    def _compare(self, came_from: Floats, masks: Mapping[int, TrackedMask]) -> None:
        """Compare masks with those of the frame before, moved by the flow."""
        moved = {track: warp_mask(item.mask, came_from) for track, item in self._previous.items()}
        for track, now in masks.items():
            own = moved.get(track)
            if own is None:
                continue
            stats = self.stats[track]
            stats.flickers.append(measure_flicker(own, now.mask))
            others = [
                mask_iou(mask, now.mask)
                for other, mask in moved.items()
                if other != track and self._previous[other].prompt == now.prompt
            ]
            best = max(others, default=0.0)
            stats.switches += best >= SWITCH_IOU and best > mask_iou(own, now.mask) + SWITCH_MARGIN

    def _compute_motion(self, old: Luma, new: Luma) -> Floats:
        """Where each pixel of the new frame was in the old one, xy in pixels, f32 (H, W, 2)."""
        height, width = new.shape
        scale = min(1.0, FLOW_SIDE / max(height, width))
        size = max(32, round(width * scale)), max(32, round(height * scale))
        small_old, small_new = cv2.resize(old, size), cv2.resize(new, size)
        flow = np.asarray(self._flow.calc(small_new, small_old, None), np.float32)
        flow = cv2.resize(flow, (width, height)) * np.array([width / size[0], height / size[1]], np.float32)
        rows, columns = np.indices((height, width), np.float32)
        return np.asarray(flow + np.stack([columns, rows], axis=2), np.float32)


def warp_mask(mask: Mask, came_from: Floats) -> Mask:
    """A mask of the old frame as the motion moves it to the new one."""
    moved = cv2.remap(mask.astype(np.uint8), came_from, None, cv2.INTER_NEAREST, borderValue=0)
    return np.asarray(moved > 0)


def measure_flicker(a: Mask, b: Mask) -> float:
    """The share of the union on which two masks disagree, without rims of one pixel."""
    union = int(np.count_nonzero(a | b))
    if not union:
        return 0.0
    apart = cv2.morphologyEx((a ^ b).astype(np.uint8), cv2.MORPH_OPEN, RIM)
    return float(np.count_nonzero(apart)) / union
