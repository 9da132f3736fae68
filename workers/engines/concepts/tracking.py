"""The default tracker: flow between keyframes, detector and MobileSAM on them, appearance to know again."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from maquette.contract.vocabulary import parse_phrase

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
from workers.engines.concepts.handles import EmbeddedImage
from workers.engines.concepts.key_frame import correct, recover, replace, search, sighted
from workers.engines.concepts.masks import area_of, tidy
from workers.engines.concepts.mobilesam import MobileSam, View
from workers.engines.concepts.picodet import Detection, PicoDet
from workers.engines.concepts.prompt_schedule import PromptSchedule, points_of
from workers.engines.concepts.reid import (
    FOREIGN_LOOK,
    OCCLUDED_SHARE,
    RECENT,
    covers,
    resemblance,
    returns,
    taken_by,
)
from workers.engines.concepts.reprompt import Reprompter
from workers.engines.concepts.tracks import Memory, Track, from_bytes, to_bytes
from workers.engines.concepts.visibility import part_ways, visible_part
from workers.engines.protocols import (
    FrameResult,
    Mask,
    Rgb,
    SegmentedInstance,
    TrackedInstance,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)
from workers.geometry.borders import touches_border
from workers.geometry.boxes import bounding_box

# keyframes come sooner where masks needed correction, later where they did not
PAUSE, LONGEST, SHORTEST = 5, 10, 4
STEADY, UNSTEADY = 0.92, 0.85
# a doubt brings one sooner, by this share of the pause
IN_DOUBT = 0.5
BIRTH = 0.5
# a detection too weak to start a track may still confirm one
CONFIRM_SHARE = 0.6
GONE_SHARE = 0.04
MISSED_LIMIT = 6
MISSED_LIMIT_OCCLUDED = 2
LOST_LIMIT = 64

Follow = Callable[[EmbeddedImage, VisualPrompt, Mask | None], SegmentedInstance]


class DefaultTracker:
    """Follows objects through one video; the memory is one small frame and two masks per object.

    Results are final at once. `prompt` counts the phrases first, then the clicks. An object that is hidden or
    has left is not in the results until it is found again, then under its old id.
    """

    def __init__(
        self,
        sam: MobileSam,
        detector: PicoDet,
        follow: Follow,
        prompts: TrackPrompts,
        *,
        state: bytes | None = None,
    ) -> None:
        """`follow` answers a click where a mask of the object may be known.

        `state` goes on from a snapshot; raises ValueError when it was made with other prompts.
        """
        self._sam, self._detector, self._follow, self._prompts = sam, detector, follow, prompts
        self._asked = PromptSchedule(prompts)
        self._queries = [parse_phrase(phrase) for phrase in prompts.phrases]
        self._classes = {index: query.classes for index, query in enumerate(self._queries)}
        given = [prompts.threshold(index) for index in range(len(prompts.phrases))]
        self._births = [BIRTH if value is None else value for value in given]
        self._memory = None if state is None else from_bytes(state, prompts.signature())

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Take the next frame and give its objects.

        Raises ValueError when the frame's size has changed, and on the first frame for a click that can never
        be answered.
        """
        image = EmbeddedImage(frame.image)
        size = image.size
        work = shrink(frame.image, WORK_SIDE)
        bins, small = bins_of(work), flow_image(work)
        errors: dict[int, Floats] = {}
        memory = self._memory
        if memory is None:
            self._asked.check(size)
            memory = self._memory = Memory(0, 0, self._prompts.objects + 1, size, small, [], [], PAUSE)
            self._keyframe(memory, image, bins)
        else:
            if size != memory.size:
                raise ValueError(f"the frame's size {size} is not that of the first one {memory.size}")
            errors, doubt = self._carry(memory, motion_between(memory.small, small), bins)
            since = memory.frames - memory.keyframe
            due = since >= memory.pause or (doubt and since >= int(IN_DOUBT * memory.pause))
            if due or (since == PAUSE and self._newcomer(memory, image, bins.shape)):
                self._keyframe(memory, image, bins)
        part_ways(memory.seen, errors, bins)
        self._obey(memory, frame.index, image, bins)
        self._drop(memory, bins)
        memory.small = small
        shown = [track for track in memory.seen if track.id not in memory.removed]
        objects = tuple(_result(track, size) for track in sorted(shown, key=lambda track: track.id))
        memory.frames += 1
        return [FrameResult(frame.index, frame.pts, objects)]

    def finish(self) -> Sequence[FrameResult]:
        """Nothing is held back."""
        return []

    def snapshot(self) -> bytes:
        """The memory as npz bytes, for a tracker to go on as this one would; ValueError before a frame."""
        if self._memory is None:
            raise ValueError("there is no state before the first frame")
        return to_bytes(self._memory, self._prompts.signature())

    def _obey(self, memory: Memory, index: int, image: EmbeddedImage, bins: Bins) -> None:
        """Do what the user asks for on this frame; a click on an id that is gone or unknown does nothing."""
        memory.removed += self._asked.removals(index)
        memory.tracks = [
            t for t in memory.tracks if t.id > self._prompts.objects or t.id not in memory.removed
        ]
        for number, click in self._asked.clicks(index).items():
            track = next((track for track in memory.tracks if track.id == number), None)
            starts = track is None and number <= self._prompts.objects
            if number in memory.removed or not (track or starts):
                continue
            known = None
            if track is not None and track.lost_at < 0 and track.mask.any():
                known = _full(track, image.size)
            if known is None and not _begins(click):
                continue
            self._view(image)
            made = self._follow(image, click, known)
            soft = _soft_of(made.mask, bins.shape)
            if track is None:
                prompt = len(self._prompts.phrases) + number - 1
                memory.tracks.append(_track(number, soft, bins, prompt, None, made.score))
            else:
                replace(track, soft, bins, made.score)

    def _view(self, image: EmbeddedImage) -> View:
        if not image.views:
            image.views.append(self._sam.encode(image.image))
        return image.views[0]

    def _add(
        self, memory: Memory, soft: Soft, bins: Bins, prompt: int, label: str | None, score: float
    ) -> None:
        memory.tracks.append(_track(memory.next_id, soft, bins, prompt, label, score))
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
        taken = taken_by(memory.seen, bins.shape)
        lost = [track for track in memory.tracks if track.lost_at >= 0 and track.label is None]
        doubt |= any(sighted(track, bins, taken) for track in lost)
        return errors, doubt

    def _keyframe(self, memory: Memory, image: EmbeddedImage, bins: Bins) -> None:
        memory.keyframe = memory.frames
        height, width = bins.shape
        found = self._detections(image, bins.shape)
        if not found and not memory.tracks:
            return
        asking = Reprompter(self._sam, self._view(image), (height, width))
        seen = [track for track in memory.seen if track.mask.any()]
        pairs = match(seen, found, self._classes)
        kept = 1.0
        for index, track in enumerate(seen):
            hit = found[pairs[index]] if index in pairs else None
            others = [other for other in seen if other is not track and other.prompt == track.prompt]
            kept = min(kept, correct(track, asking, bins, hit, taken_by(others, bins.shape)))
        memory.pause = _pause(memory.pause, kept)
        free = [item for index, item in enumerate(found) if index not in pairs.values()]
        for prompt, query in enumerate(self._queries):
            named = [item for item in free if item.label in query.classes]
            for item in ordered(named, query):
                self._meet(memory, asking, bins, item, prompt, image.image)
        for track in memory.tracks:
            if track.lost_at >= 0 and track.label is None:
                search(track, asking, bins, taken_by(memory.seen, bins.shape), memory.frames)

    def _newcomer(self, memory: Memory, image: EmbeddedImage, work: tuple[int, ...]) -> bool:
        """Whether the detector is sure of something that no track explains."""
        sure = [item for item in self._detections(image, work) if item.score >= min(self._births)]
        seen = [track for track in memory.seen if track.mask.any()]
        return len(match(seen, sure, self._classes)) < len(sure)

    def _detections(self, image: EmbeddedImage, work: tuple[int, ...]) -> list[Detection]:
        """What the detector finds of the prompts' classes, in working pixels."""
        if not self._classes:
            return []
        if image.detections is None:
            image.detections = self._detector.detect(image.image)
        sx, sy = work[1] / image.size[1], work[0] / image.size[0]
        wanted = {label for classes in self._classes.values() for label in classes}
        return [
            Detection(
                item.label,
                item.score,
                (item.box[0] * sx, item.box[1] * sy, item.box[2] * sx, item.box[3] * sy),
            )
            for item in image.detections
            if item.label in wanted and item.score >= CONFIRM_SHARE * min(self._births)
        ]

    def _meet(
        self, memory: Memory, asking: Reprompter, bins: Bins, item: Detection, prompt: int, image: Rgb
    ) -> None:
        """A detection of a prompt that no track explains: an object found again, or a new one."""
        query = self._queries[prompt]
        answer = asking.find(item.box)
        mask = answer.mask
        rivals = [track for track in memory.seen if track.prompt == prompt]
        if not mask.any() or any(covers(track.mask, mask) for track in rivals):
            return
        if not has_color(shrink(image, WORK_SIDE), mask, query):
            return
        known = [track for track in memory.tracks if track.prompt == prompt and _unsure(track)]
        fits = [(returns(track, bins, mask, memory.frames), track) for track in known]
        fit, old = max(fits, key=lambda pair: (pair[0], -pair[1].id), default=(0.0, None))
        if old is not None and fit > 0:
            recover(old, answer, item.score)
        elif item.score >= self._births[prompt] and (query.extreme is None or not (rivals or known)):
            # an extreme is one object: the first that was found stays it
            self._add(memory, answer.soft, bins, prompt, item.label, item.score)

    def _drop(self, memory: Memory, bins: Bins) -> None:
        """Let go of what is hidden, gone, or no longer looks like itself; forget the longest lost."""
        for track in memory.seen:
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


def _pause(last: int, kept: float) -> int:
    """Frames until the next keyframe, after one where the worst mask kept this share of itself."""
    if kept >= STEADY:
        return min(last + 2, LONGEST)
    return PAUSE if kept >= UNSTEADY else SHORTEST


def _unsure(track: Track) -> bool:
    """Whether a detection may turn out to be this track: it is lost, or a part that no detection meets."""
    part = area_of(track.mask) < OCCLUDED_SHARE * track.area
    return track.lost_at >= 0 or (part and track.missed > 0)


def _begins(click: VisualPrompt) -> bool:
    """Whether a click can name an object of which nothing is known."""
    return click.box is not None or click.mask is not None or bool((points_of(click)[1] == 1).any())


def _track(number: int, soft: Soft, bins: Bins, prompt: int, label: str | None, score: float) -> Track:
    mask = np.asarray(soft > 127, dtype=np.bool_)
    look, area = histogram(bins, mask), float(max(area_of(mask), 1))
    return Track(number, prompt, label, score, soft, soft, look, area)


def _soft_of(mask: Mask, work: tuple[int, ...]) -> Soft:
    size = work[1], work[0]
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA))


def _result(track: Track, size: tuple[int, int]) -> TrackedInstance:
    """A track as it is now, its mask at the frame's own (height, width)."""
    mask = _full(track, size)
    flags = ("occluded",) if area_of(track.mask) < OCCLUDED_SHARE * track.area else ()
    if touches_border(mask):
        flags = (*flags, "truncated")
    return TrackedInstance(track.id, mask, bounding_box(mask), track.score, track.prompt, track.label, flags)


def _full(track: Track, size: tuple[int, int]) -> Mask:
    full = cv2.resize(track.visible, (size[1], size[0]), interpolation=cv2.INTER_LINEAR) > 127
    return tidy(np.asarray(full, dtype=np.bool_))
