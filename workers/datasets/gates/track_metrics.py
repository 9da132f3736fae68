"""What is measured of tracks while frames go by, in memory that does not grow with the picture.

Masks and pictures are at the size of stored frames. Motion is dense flow between neighbouring frames.
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

FLOW_SIDE = 256
# one pixel of rim is the resolution of masks, not a fault of theirs
RIM = np.ones((3, 3), np.uint8)
SWITCH_FIT = 0.4
SWITCH_MARGIN = 0.3

Floats = NDArray[np.float32]


@dataclass(slots=True)
class TrackStats:
    """What is noted of one track: one entry a frame it was seen in."""

    concept: int
    frames: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    agreements: list[float] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    looks: list[Histogram] = field(default_factory=list)
    flickers: list[float] = field(default_factory=list)
    switches: int = 0


@dataclass(frozen=True, slots=True)
class TrackedMask:
    """A track in a frame: its mask, and the box that came with it (not the mask's own)."""

    mask: Mask
    box: Box
    concept: int


class TrackMetrics:
    """Takes the frames of one clip in order."""

    def __init__(self) -> None:
        self.courses: dict[int, TrackStats] = {}
        self._luma: NDArray[np.uint8] | None = None
        self._before: dict[int, TrackedMask] = {}
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def step(self, frame: int, image: Rgb, seen: Mapping[int, TrackedMask]) -> None:
        """Note the tracks that are seen in a frame; `image` is RGB of the masks' size."""
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if seen:
            bins = quantize_colors(image)
            for track, sighting in seen.items():
                course = self.courses.setdefault(track, TrackStats(sighting.concept))
                tight = bounding_box(sighting.mask)
                course.frames.append(frame)
                course.areas.append(int(np.count_nonzero(sighting.mask)))
                course.boxes.append(tight)
                course.agreements.append(box_iou(tight, sighting.box))
                course.truncated.append(touches_border(sighting.mask))
                course.looks.append(color_histogram(bins, sighting.mask))
        if self._luma is not None and self._before:
            self._compare(self._motion(self._luma, luma), seen)
        self._luma, self._before = luma, dict(seen)

    def _compare(self, came_from: Floats, seen: Mapping[int, TrackedMask]) -> None:
        carried = {track: warp_mask(item.mask, came_from) for track, item in self._before.items()}
        for track, now in seen.items():
            own = carried.get(track)
            if own is None:
                continue
            course = self.courses[track]
            course.flickers.append(measure_flicker(own, now.mask))
            fit = mask_iou(own, now.mask)
            rivals = [
                mask_iou(mask, now.mask)
                for other, mask in carried.items()
                if other != track and self._before[other].concept == now.concept
            ]
            best = max(rivals, default=0.0)
            course.switches += best >= SWITCH_FIT and best > fit + SWITCH_MARGIN

    def _motion(self, old: NDArray[np.uint8], new: NDArray[np.uint8]) -> Floats:
        """Where each pixel of the new frame was in the old one, xy in pixels, f32 (H, W, 2)."""
        height, width = new.shape
        scale = min(1.0, FLOW_SIDE / max(height, width))
        size = max(32, round(width * scale)), max(32, round(height * scale))
        small_old, small_new = cv2.resize(old, size), cv2.resize(new, size)
        flow = np.asarray(self._dis.calc(small_new, small_old, None), np.float32)
        flow = cv2.resize(flow, (width, height)) * np.array([width / size[0], height / size[1]], np.float32)
        rows, columns = np.indices((height, width), np.float32)
        return np.asarray(flow + np.stack([columns, rows], axis=2), np.float32)


def warp_mask(mask: Mask, came_from: Floats) -> Mask:
    """A mask of the old frame as the motion brings it to the new one."""
    moved = cv2.remap(mask.astype(np.uint8), came_from, None, cv2.INTER_NEAREST, borderValue=0)
    return np.asarray(moved > 0)


def measure_flicker(a: Mask, b: Mask) -> float:
    """The share of the union on which two masks disagree, thin rims left out."""
    union = int(np.count_nonzero(a | b))
    if not union:
        return 0.0
    apart = cv2.morphologyEx((a ^ b).astype(np.uint8), cv2.MORPH_OPEN, RIM)
    return float(np.count_nonzero(apart)) / union
