"""The default tracker: flow between keyframes, detector and MobileSAM on them, appearance to know again."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from maquette.contract.vocabulary import parse

from workers.engines.concepts.appearance import Bins, bins_of, histogram
from workers.engines.concepts.association import match
from workers.engines.concepts.attributes import has_color, ordered
from workers.engines.concepts.flow import (
    WORK_SIDE,
    Floats,
    Motion,
    Soft,
    carry,
    drift,
    flow_image,
    motion_between,
    shrink,
)
from workers.engines.concepts.judgement import (
    FOREIGN_LOOK,
    OCCLUDED_SHARE,
    RECENT,
    covers,
    resemblance,
    returns,
    taken_by,
)
from workers.engines.concepts.keyframe import correct, recover, search
from workers.engines.concepts.masks import area_of, box_of, tidy, touches_border
from workers.engines.concepts.mobilesam import MobileSam
from workers.engines.concepts.picodet import Detection, PicoDet
from workers.engines.concepts.reprompt import Reprompter
from workers.engines.concepts.tracks import Memory, Track, from_bytes, to_bytes
from workers.engines.concepts.visibility import part_ways, visible_part
from workers.engines.protocols import (
    Click,
    FrameResult,
    Mask,
    Rgb,
    Segmented,
    Tracked,
    TrackPrompts,
    VideoFrame,
)

KEYFRAME_EVERY = 5
KEYFRAME_SOONEST = 2
BIRTH = 0.5
# a detection too weak to start a track may still confirm one
CONFIRM_SHARE = 0.6
GONE_SHARE = 0.04
MISSED_LIMIT = 6
MISSED_LIMIT_OCCLUDED = 2
LOST_LIMIT = 64

FirstMasks = Callable[[Rgb, Sequence[Click]], list[Segmented]]


class DefaultTracker:
    """Follows objects through one video; the memory is one small frame and two masks per object.

    Results are final at once. `prompt` counts the phrases first, then the clicks. An object that is hidden or
    has left is not in the results until it is found again, then under its old id.
    """

    def __init__(
        self,
        sam: MobileSam,
        detector: PicoDet,
        first_masks: FirstMasks,
        prompts: TrackPrompts,
        *,
        state: bytes | None = None,
    ) -> None:
        """`state` goes on from a snapshot; raises ValueError when it was made with other prompts."""
        self._sam, self._detector, self._first_masks, self._prompts = sam, detector, first_masks, prompts
        self._queries = [parse(phrase) for phrase in prompts.phrases]
        self._classes = {index: query.classes for index, query in enumerate(self._queries)}
        self._birth = BIRTH if prompts.threshold is None else prompts.threshold
        self._memory = None if state is None else from_bytes(state, self._signature())

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Take the next frame and give its objects; raises ValueError when the frame's size has changed."""
        size = frame.image.shape[0], frame.image.shape[1]
        work = shrink(frame.image, WORK_SIDE)
        bins, small = bins_of(work), flow_image(work)
        errors: dict[int, Floats] = {}
        memory = self._memory
        if memory is None:
            memory = self._memory = Memory(0, 0, 1, size, small, [])
            self._start(memory, frame.image, bins)
            self._keyframe(memory, frame.image, bins)
        else:
            if size != memory.size:
                raise ValueError(f"the frame's size {size} is not that of the first one {memory.size}")
            errors, doubt = self._carry(memory, motion_between(memory.small, small), bins)
            since = memory.frames - memory.keyframe
            if since >= KEYFRAME_EVERY or (doubt and since >= KEYFRAME_SOONEST):
                self._keyframe(memory, frame.image, bins)
        part_ways(_seen(memory), errors, bins)
        self._drop(memory, bins)
        memory.small = small
        objects = tuple(_result(track, size) for track in _seen(memory))
        memory.frames += 1
        return [FrameResult(frame.index, frame.pts, objects)]

    def finish(self) -> Sequence[FrameResult]:
        """Nothing is held back."""
        return []

    def snapshot(self) -> bytes:
        """The memory as npz bytes, for a tracker to go on as this one would; ValueError before a frame."""
        if self._memory is None:
            raise ValueError("there is no state before the first frame")
        return to_bytes(self._memory, self._signature())

    def _signature(self) -> dict[str, object]:
        prompts = self._prompts
        return {"phrases": list(prompts.phrases), "clicks": len(prompts.clicks), "birth": self._birth}

    def _start(self, memory: Memory, image: Rgb, bins: Bins) -> None:
        if not self._prompts.clicks:
            return
        for index, made in enumerate(self._first_masks(image, self._prompts.clicks)):
            soft = _soft_of(made.mask, bins.shape)
            self._add(memory, soft, bins, len(self._prompts.phrases) + index, None, made.score)

    def _add(
        self, memory: Memory, soft: Soft, bins: Bins, prompt: int, label: str | None, score: float
    ) -> None:
        mask = np.asarray(soft > 127, dtype=np.bool_)
        look, area = histogram(bins, mask), float(max(area_of(mask), 1))
        memory.tracks.append(Track(memory.next_id, prompt, label, score, soft, soft, look, area))
        memory.next_id += 1

    def _carry(self, memory: Memory, motion: Motion, bins: Bins) -> tuple[dict[int, Floats], bool]:
        """Move every mask to the new frame: colour errors by id, and whether to look again soon."""
        errors: dict[int, Floats] = {}
        doubt = False
        for track in memory.tracks:
            if track.lost_at >= 0:
                if memory.frames - track.lost_at <= RECENT:
                    track.soft = drift(motion, track.soft, track.velocity)
                continue
            before = area_of(track.mask)
            moved = carry(motion, track.soft, track.visible, track.velocity)
            track.soft, track.visible = moved.soft, visible_part(track, moved, bins)
            track.velocity, errors[track.id] = moved.velocity, moved.error
            change = area_of(track.mask) / max(before, 1)
            doubt |= moved.trust < 0.4 or not 0.8 <= change <= 1.25
        return errors, doubt

    def _keyframe(self, memory: Memory, image: Rgb, bins: Bins) -> None:
        memory.keyframe = memory.frames
        height, width = bins.shape
        asking = Reprompter(self._sam, self._sam.encode(image), (height, width))
        found = self._detections(image, width / image.shape[1], height / image.shape[0])
        seen = [track for track in _seen(memory) if track.mask.any()]
        pairs = match(seen, found, self._classes)
        for index, track in enumerate(seen):
            hit = found[pairs[index]] if index in pairs else None
            others = [other for other in seen if other is not track and other.prompt == track.prompt]
            correct(track, asking, bins, hit, taken_by(others, bins.shape))
        free = [item for index, item in enumerate(found) if index not in pairs.values()]
        strong = [item for item in free if item.score >= self._birth]
        for prompt, query in enumerate(self._queries):
            named = [item for item in strong if item.label in query.classes]
            for item in ordered(named, query):
                self._meet(memory, asking, bins, item, prompt, image)
        for track in memory.tracks:
            if track.lost_at >= 0 and track.label is None:
                search(track, asking, bins, taken_by(_seen(memory), bins.shape), memory.frames)

    def _detections(self, image: Rgb, sx: float, sy: float) -> list[Detection]:
        """What the detector finds of the prompts' classes, in working pixels."""
        if not self._classes:
            return []
        wanted = {label for classes in self._classes.values() for label in classes}
        return [
            Detection(
                item.label,
                item.score,
                (item.box[0] * sx, item.box[1] * sy, item.box[2] * sx, item.box[3] * sy),
            )
            for item in self._detector.detect(image)
            if item.label in wanted and item.score >= CONFIRM_SHARE * self._birth
        ]

    def _meet(
        self, memory: Memory, asking: Reprompter, bins: Bins, item: Detection, prompt: int, image: Rgb
    ) -> None:
        """A detection of a prompt that no track explains: an object found again, or a new one."""
        query = self._queries[prompt]
        answer = asking.find(item.box)
        mask = answer.mask
        rivals = [track for track in _seen(memory) if track.prompt == prompt]
        if not mask.any() or any(covers(track.mask, mask) for track in rivals):
            return
        if not has_color(shrink(image, WORK_SIDE), mask, query):
            return
        known = [track for track in memory.tracks if track.lost_at >= 0 and track.prompt == prompt]
        fits = [(returns(track, bins, mask, memory.frames), track) for track in known]
        fit, old = max(fits, key=lambda pair: (pair[0], -pair[1].id), default=(0.0, None))
        if old is not None and fit > 0:
            recover(old, answer, item.score)
        elif query.extreme is None or not (rivals or known):
            # an extreme is one object: the first that was found stays it
            self._add(memory, answer.soft, bins, prompt, item.label, item.score)

    def _drop(self, memory: Memory, bins: Bins) -> None:
        """Let go of what is hidden, gone, or no longer looks like itself; forget the longest lost."""
        for track in _seen(memory):
            mask = track.mask
            small = area_of(mask) < max(GONE_SHARE * track.area, 8)
            hidden = area_of(mask) < OCCLUDED_SHARE * track.area
            missed = track.missed > (MISSED_LIMIT_OCCLUDED if hidden else MISSED_LIMIT)
            if small or missed or resemblance(track, bins, mask) < FOREIGN_LOOK:
                track.lost_at = memory.frames
        lost = sorted(
            (t for t in memory.tracks if t.lost_at >= 0), key=lambda track: (track.lost_at, track.id)
        )
        for track in lost[: max(len(lost) - LOST_LIMIT, 0)]:
            memory.tracks.remove(track)


def _seen(memory: Memory) -> list[Track]:
    return [track for track in memory.tracks if track.lost_at < 0]


def _soft_of(mask: Mask, work: tuple[int, ...]) -> Soft:
    size = work[1], work[0]
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA))


def _result(track: Track, size: tuple[int, int]) -> Tracked:
    """A track as it is now, its mask at the frame's own (height, width)."""
    full = cv2.resize(track.visible, (size[1], size[0]), interpolation=cv2.INTER_LINEAR) > 127
    mask = tidy(np.asarray(full, dtype=np.bool_))
    flags = ("occluded",) if area_of(track.mask) < OCCLUDED_SHARE * track.area else ()
    if touches_border(mask):
        flags = (*flags, "truncated")
    return Tracked(track.id, mask, box_of(mask), track.score, track.prompt, track.label, flags)
