"""What is measured of tracks while frames go by, in memory that does not grow with the image.

Masks and images are at the size of stored frames. Motion is dense optical flow between neighbouring frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.datasets.gates.mask_changes import (
    MaskChange,
    MaskGrowth,
    compare_masks,
    find_explained,
    find_same,
    measure_growth,
    warp_mask,
)
from workers.engines.concepts.identity.half_histograms import HalfHistograms, describe_halves
from workers.engines.concepts.images.color_histograms import Histogram, color_histogram, quantize_colors
from workers.engines.protocols import Box, Mask, Rgb
from workers.geometry.borders import measure_border_contact
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import box_iou, mask_iou

# pixels of the longer side at which flow is computed; chosen for speed
FLOW_SIDE = 256
# IoU with another track's mask, moved by flow, from which a mask may have taken that track's place, and by
# how much it has to exceed the IoU with its own; chosen, not measured
SWITCH_IOU, SWITCH_MARGIN = 0.4, 0.3

Floats = NDArray[np.float32]
Luma = NDArray[np.uint8]


@dataclass(slots=True)
class TrackStats:
    """What is noted of one track; lists have one entry per frame it was seen in.

    `prompt` is the index of the phrase that found it. `areas` are pixels, `boxes` enclose the masks,
    `box_ious` are those of the engine's box with the mask's own, `contacts` the shares of the outline on the
    border of the image. `margins` and `merged` are the engine's, `halves` the colours of the upper and the
    lower half.
    `changes` has, by frame, how the mask differs from the frames before and after, where it is seen in both.
    `growths` has, by frame, what it gained and lost since the frame before where the image shows something
    else.
    `switches` are the frames in which it took another track's place.
    """

    prompt: int
    frames: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    box_ious: list[float] = field(default_factory=list)
    contacts: list[float] = field(default_factory=list)
    appearances: list[Histogram] = field(default_factory=list)
    margins: list[float | None] = field(default_factory=list)
    merged: list[float | None] = field(default_factory=list)
    halves: list[HalfHistograms] = field(default_factory=list)
    changes: dict[int, MaskChange] = field(default_factory=dict)
    growths: dict[int, MaskGrowth] = field(default_factory=dict)
    switches: list[int] = field(default_factory=list)

    def select(self, places: range) -> "TrackStats":
        """The statistics of observations in a row."""
        part = slice(places.start, places.stop)
        frames = self.frames[part]
        within = range(frames[0], frames[-1] + 1)
        return TrackStats(
            prompt=self.prompt,
            frames=frames,
            areas=self.areas[part],
            boxes=self.boxes[part],
            box_ious=self.box_ious[part],
            contacts=self.contacts[part],
            appearances=self.appearances[part],
            margins=self.margins[part],
            merged=self.merged[part],
            halves=self.halves[part],
            # the first and the last frame have lost a neighbour
            changes={frame: change for frame, change in self.changes.items() if frame in within[1:-1]},
            growths={frame: growth for frame, growth in self.growths.items() if frame in within[1:]},
            switches=[frame for frame in self.switches if frame in within[1:]],
        )

    def extend(self, later: "TrackStats") -> None:
        """Add the observations of later frames."""
        places = ("frames", "areas", "boxes", "box_ious", "contacts")
        for name in (*places, "appearances", "margins", "merged", "halves"):
            getattr(self, name).extend(getattr(later, name))
        self.changes |= later.changes
        self.growths |= later.growths
        self.switches += later.switches


@dataclass(frozen=True, slots=True)
class TrackedMask:
    """A track in one frame: its mask, the index of its phrase, and the engine's box, margin and `merged`."""

    mask: Mask
    box: Box
    prompt: int
    margin: float | None = None
    merged: float | None = None


@dataclass(frozen=True, slots=True)
class _State:
    """A frame: its number, luma and tracks, and where its pixels were in the frame before."""

    frame: int
    luma: Luma
    masks: Mapping[int, TrackedMask]
    came_from: Floats | None


class TrackMetrics:
    """Takes the frames of one clip in order and keeps the statistics of each track."""

    def __init__(self) -> None:
        self.stats: dict[int, TrackStats] = {}
        self._states: list[_State] = []
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def add(self, frame: int, image: Rgb, masks: Mapping[int, TrackedMask]) -> None:
        """Note the tracks of a frame; `image` is RGB of the size of the masks."""
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if masks:
            self._note(frame, image, masks)
        if self._states and self._states[-1].frame != frame - 1:
            # nothing is known of the frames between
            self._states = []
        came_from = None
        if self._states and self._states[-1].masks:
            came_from = self._compute_motion(self._states[-1].luma, luma)
            self._note_switches(frame, self._states[-1].masks, masks, came_from)
            self._note_growths(frame, self._states[-1], masks, luma, came_from)
        now = _State(frame, luma, dict(masks), came_from)
        if len(self._states) == 2:
            self._compare(self._states[0], self._states[1], now)
        self._states = [*self._states[-1:], now]

    def _note(self, frame: int, image: Rgb, masks: Mapping[int, TrackedMask]) -> None:
        bins = quantize_colors(image)
        for track, tracked in masks.items():
            stats = self.stats.setdefault(track, TrackStats(tracked.prompt))
            box = bounding_box(tracked.mask)
            stats.frames.append(frame)
            stats.areas.append(int(np.count_nonzero(tracked.mask)))
            stats.boxes.append(box)
            stats.box_ious.append(box_iou(box, tracked.box))
            stats.contacts.append(measure_border_contact(tracked.mask))
            stats.appearances.append(color_histogram(bins, tracked.mask))
            stats.margins.append(tracked.margin)
            stats.merged.append(tracked.merged)
            stats.halves.append(describe_halves(image, tracked.mask))

    def _compare(self, before: _State, middle: _State, after: _State) -> None:
        """Note what changed in the middle frame alone, of tracks that are seen in all three."""
        common = [track for track in middle.masks if track in before.masks and track in after.masks]
        if not common or middle.came_from is None:
            return
        came_back = self._compute_motion(after.luma, middle.luma)
        motion = middle.came_from, came_back
        explained = find_explained(before.luma, middle.luma, after.luma, *motion)
        for track in common:
            old, now, new = (state.masks[track].mask for state in (before, middle, after))
            self.stats[track].changes[middle.frame] = compare_masks(old, now, new, *motion, explained)

    def _note_growths(
        self,
        frame: int,
        before: _State,
        masks: Mapping[int, TrackedMask],
        luma: Luma,
        came_from: Floats,
    ) -> None:
        """Note what tracks that are seen in two frames in a row gained and lost."""
        explained = find_same(before.luma, luma, came_from)
        for track in before.masks.keys() & masks.keys():
            old, now = before.masks[track].mask, masks[track].mask
            self.stats[track].growths[frame] = measure_growth(old, now, came_from, explained)

    def _note_switches(
        self,
        frame: int,
        old: Mapping[int, TrackedMask],
        masks: Mapping[int, TrackedMask],
        came_from: Floats,
    ) -> None:
        """Note which masks are where the flow moves another track's mask."""
        moved = {track: warp_mask(item.mask, came_from) for track, item in old.items()}
        for track, now in masks.items():
            own = moved.get(track)
            if own is None:
                continue
            others = [
                mask_iou(mask, now.mask)
                for other, mask in moved.items()
                if other != track and old[other].prompt == now.prompt
            ]
            best = max(others, default=0.0)
            if best >= SWITCH_IOU and best > mask_iou(own, now.mask) + SWITCH_MARGIN:
                self.stats[track].switches.append(frame)

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
