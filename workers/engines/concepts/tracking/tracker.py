"""The default tracker: from frame to frame by propagation, on key frames by detection and MobileSAM."""

from collections.abc import Sequence
from concurrent.futures import Executor

import cv2
import numpy as np

from workers.engines.concepts.images.color_histograms import ColorBins
from workers.engines.concepts.images.config import ImageConfig
from workers.engines.concepts.images.mobilesam import MobileSam
from workers.engines.concepts.images.picodet import PicoDet
from workers.engines.concepts.images.prompt_segmenter import PromptSegmenter
from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.held_results import release_all, upscale_mask
from workers.engines.concepts.tracking.identification import identify_objects
from workers.engines.concepts.tracking.key_frames import KeyFrameProcessor
from workers.engines.concepts.tracking.lookalikes import find_contacts, fit_together, settle_identities
from workers.engines.concepts.tracking.mask_propagation import (
    PropagatedMask,
    extrapolate_mask,
    propagate_mask,
)
from workers.engines.concepts.tracking.optical_flow import Floats, FrameFlow, compute_flow
from workers.engines.concepts.tracking.reid import appearance_score, is_in_sight
from workers.engines.concepts.tracking.snapshot import dump_state, load_state
from workers.engines.concepts.tracking.soft_masks import SoftMask
from workers.engines.concepts.tracking.state import Track, TrackerState, merge_visible_masks
from workers.engines.concepts.tracking.track_update import find_twin, reset_track, start_track
from workers.engines.concepts.tracking.visibility import estimate_visible_part, resolve_overlaps
from workers.engines.concepts.tracking.working_frame import WorkingFrame
from workers.engines.concepts.visual_prompts import can_start_object
from workers.engines.protocols import (
    FrameResult,
    Mask,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)


class DefaultTracker:
    """Tracks objects through one video; it keeps one small frame and two masks per object.

    Results are final at once where all ids are certain, else after two seconds at most (`held_results.py`).
    `prompt` counts the phrases first, then the visual prompts. An object that is hidden or has left is not in
    the results until it is found again, then under its old id.
    """

    def __init__(
        self,
        sam: MobileSam,
        detector: PicoDet,
        segmenter: PromptSegmenter,
        prompts: TrackPrompts,
        *,
        pool: Executor,
        config: TrackerConfig,
        images: ImageConfig,
        state: bytes | None = None,
    ) -> None:
        """`pool` moves and corrects several objects at once, with the results that one thread would give.

        `state` is a snapshot to resume from; raises ValueError when it was made with other prompts.
        """
        self._pool, self._segmenter, self._prompts, self._config = pool, segmenter, prompts, config
        self._schedule = PromptSchedule(prompts)
        self._key_frames = KeyFrameProcessor(sam, detector, prompts, config, images, pool)
        self._state = None if state is None else load_state(state, prompts.signature())

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Process the next frame and return its objects.

        Raises ValueError when the frame's size has changed, and on the first frame for a prompt that can
        never be answered.
        """
        working = WorkingFrame.prepare(frame.image, self._config.propagation)
        for track in [] if self._state is None else self._state.tracks:
            track.margin = track.merged = None
        if self._state is None:
            state, color_errors = self._start(working), {}
        else:
            state = self._state
            color_errors = self._advance(state, working)
        resolve_overlaps(state.active_tracks, color_errors, working.bins, self._config.visibility)
        self._apply_prompts(state, frame.index, working)
        self._retire_tracks(state, working)
        state.flow_image = working.flow_image
        state.frames += 1
        return identify_objects(state, frame, working.work, self._config)

    def finish(self) -> Sequence[FrameResult]:
        """The results that waited for ids, with those that they have."""
        return [] if self._state is None else release_all(self._state)

    def snapshot(self) -> bytes:
        """The state as npz bytes, from which a tracker continues as this one would.

        Raises ValueError before the first frame.
        """
        if self._state is None:
            raise ValueError("there is no state before the first frame")
        return dump_state(self._state, self._prompts.signature())

    def _start(self, frame: WorkingFrame) -> TrackerState:
        size = frame.image.size
        self._schedule.validate(size)
        state = self._state = TrackerState(
            frames=0,
            last_key_frame=0,
            next_id=self._prompts.objects + 1,
            size=size,
            flow_image=frame.flow_image,
            tracks=[],
            removed=[],
        )
        self._key_frames.process(state, frame)
        return state

    def _advance(self, state: TrackerState, frame: WorkingFrame) -> dict[int, Floats]:
        """Propagate all tracks to a frame, make it a key frame if one is due; colour errors by track id."""
        if frame.image.size != state.size:
            raise ValueError(f"the frame's size {frame.image.size} is not that of the first one {state.size}")
        config = self._config.key_frames
        flow = compute_flow(state.flow_image, frame.flow_image, self._config.propagation)
        color_errors, doubtful = self._propagate(state, flow, frame)
        has_waited = state.frames - state.last_key_frame == config.interval
        if self._key_frames.is_due(state, doubtful) or (
            has_waited and self._key_frames.has_new_object(state, frame)
        ):
            self._key_frames.process(state, frame)
        return color_errors

    def _propagate(
        self, state: TrackerState, flow: FrameFlow, frame: WorkingFrame
    ) -> tuple[dict[int, Floats], set[int]]:
        """Move every mask to the new frame: colour errors by track id, and the ids of objects in doubt."""
        config, bins = self._config, frame.bins
        color_errors: dict[int, Floats] = {}
        moved_ids, doubtful = self._move_lookalikes(state, frame)
        moved_masks = {
            track.id: self._pool.submit(self._move, track, flow, bins)
            for track in state.active_tracks
            if track.id not in moved_ids
        }
        for track in state.tracks:
            if track.id in moved_ids:
                continue
            if track.is_lost:
                if state.frames - track.lost_at <= config.reid.recent_frames:
                    track.amodal = extrapolate_mask(flow, track.amodal, track.velocity)
                continue
            before = mask_area(track.visible_mask)
            moved, visible = moved_masks[track.id].result()
            track.amodal, track.visible, track.velocity = moved.amodal, visible, moved.velocity
            color_errors[track.id] = moved.color_error
            change = mask_area(track.visible_mask) / max(before, 1)
            limits = config.key_frames
            is_steady = limits.min_area_change <= change <= limits.max_area_change
            has_drifted = track.label is not None and self._has_travelled(track, state)
            if moved.trust < limits.min_flow_trust or not is_steady or has_drifted:
                doubtful.add(track.id)
        occupied = merge_visible_masks(state.active_tracks, frame.shape)
        lost = [track for track in state.tracks if track.is_lost and track.label is None]
        doubtful |= {track.id for track in lost if is_in_sight(track, bins, occupied, config)}
        return color_errors, doubtful

    def _has_travelled(self, track: Track, state: TrackerState) -> bool:
        """Whether a track has moved so far since its correction that its mask may lie over another object."""
        scale = track.amodal.shape[1] / state.flow_image.shape[1]
        travelled = scale * float(np.hypot(*track.velocity)) * (state.frames - track.corrected_at)
        return bool(travelled > self._config.key_frames.max_travel * np.sqrt(track.area))

    def _move(self, track: Track, flow: FrameFlow, bins: ColorBins) -> tuple[PropagatedMask, SoftMask]:
        """A track's masks in the new frame, and which part of it is in sight; changes nothing."""
        moved = propagate_mask(flow, track, self._config.propagation)
        return moved, estimate_visible_part(track, moved, bins, self._config.visibility)

    def _move_lookalikes(self, state: TrackerState, frame: WorkingFrame) -> tuple[set[int], set[int]]:
        """Move look-alikes that are near each other: their ids, and those that have just parted."""
        tracks, config = state.active_tracks, self._config.lookalikes
        scale = np.array(frame.shape[::-1], np.float32) / state.flow_image.shape[1::-1]
        velocities = [np.asarray(scale * track.velocity, np.float32) for track in tracks]
        were_in_contact = [track.in_contact for track in tracks]
        groups = find_contacts(tracks, velocities, config)
        moved_ids: set[int] = set()
        for members in groups:
            group = [tracks[index] for index in members]
            moved = fit_together(group, [velocities[index] for index in members], frame.bins, config)
            for index, velocity in zip(members, moved, strict=True):
                velocities[index] = velocity
                moved_ids.add(tracks[index].id)
                x, y = (velocity / scale).tolist()
                tracks[index].velocity = x, y
        settle_identities(tracks, velocities, config)
        pairs = zip(were_in_contact, tracks, strict=True)
        return moved_ids, {track.id for was, track in pairs if was and not track.in_contact}

    def _apply_prompts(self, state: TrackerState, index: int, frame: WorkingFrame) -> None:
        """Apply removals and visual prompts of a frame; a prompt for a removed or unknown id does nothing."""
        state.removed += self._schedule.removals_on(index)
        # a removed object of a phrase stays tracked, so that the phrase does not find it again
        state.tracks = [
            track
            for track in state.tracks
            if track.id > self._prompts.objects or track.id not in state.removed
        ]
        for number, prompt in self._schedule.prompts_on(index).items():
            track = next((track for track in state.tracks if track.id == number), None)
            can_start = track is None and number <= self._prompts.objects
            if number not in state.removed and (track or can_start):
                self._apply_prompt(state, frame, number, track, prompt)

    def _apply_prompt(
        self, state: TrackerState, frame: WorkingFrame, number: int, track: Track | None, prompt: VisualPrompt
    ) -> None:
        known = None
        if track is not None and not track.is_lost and track.visible_mask.any():
            known = upscale_mask(track.visible, state.size)
        if known is None and not can_start_object(prompt):
            return
        self._key_frames.embed(frame)
        instance = self._segmenter.segment_in_video(frame.image, prompt, known)
        mask = _downscale_mask(instance.mask, frame.shape)
        if track is not None:
            reset_track(track, mask, frame.bins, instance.score, state.frames)
        else:
            index = len(self._prompts.phrases) + number - 1
            interval, score = self._config.key_frames.interval, instance.score
            track = start_track(
                number,
                mask,
                frame.bins,
                prompt=index,
                label=None,
                score=score,
                frame=state.frames,
                interval=interval,
            )
            state.tracks.append(track)
        track.twin = find_twin(track, state.active_tracks, self._config)

    def _retire_tracks(self, state: TrackerState, frame: WorkingFrame) -> None:
        """Mark tracks as lost that are hidden, gone or no longer look alike; forget the longest lost."""
        limits, config = self._config.lifetime, self._config
        for track in state.active_tracks:
            mask = track.visible_mask
            area = mask_area(mask)
            is_small = area < max(limits.min_visible_share * track.area, limits.min_visible_pixels)
            is_occluded = area < config.visibility.occluded_share * track.area
            is_missed = track.missed > (limits.max_missed_occluded if is_occluded else limits.max_missed)
            appearance = appearance_score(track, frame.bins, mask, config)
            if is_small or is_missed or appearance < config.reid.min_appearance:
                track.lost_at = state.frames
        lost = [track for track in state.tracks if track.is_lost]
        lost.sort(key=lambda track: (track.lost_at, track.id))
        for track in lost[: max(len(lost) - limits.max_lost, 0)]:
            state.tracks.remove(track)


def _downscale_mask(mask: Mask, shape: tuple[int, int]) -> SoftMask:
    size = shape[1], shape[0]
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA))
