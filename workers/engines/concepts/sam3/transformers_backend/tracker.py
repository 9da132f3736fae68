"""Tracks phrases and visual prompts through a video of any length; memory depends on the objects alone.

Up to `pointer_history` conditioning frames of an object the results are those of transformers' own iterator
over the complete video, bit for bit; a video of fewer than 16 frames is treated as the start of a longer one.
Frames are counted as they come, so that a video given backwards is tracked like any other.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.preprocess import check_image, to_pixels
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.snapshot import count_tensor_bytes, dump_snapshot, load_snapshot
from workers.engines.concepts.sam3.transformers_backend.deferred_output import (
    DeferredFrame,
    build_frame_result,
)
from workers.engines.concepts.sam3.transformers_backend.frame_batch import FrameBatch
from workers.engines.concepts.sam3.transformers_backend.grounding import Grounding
from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel
from workers.engines.concepts.sam3.transformers_backend.phrase_tracker import PhraseTracker, Takeover
from workers.engines.concepts.sam3.transformers_backend.precision import computes
from workers.engines.concepts.sam3.transformers_backend.prompt_tracker import PromptTracker
from workers.engines.concepts.sam3.transformers_backend.pruning import SessionPruner
from workers.engines.concepts.sam3.transformers_backend.sessions import (
    Features,
    compute_features,
    restore_session,
    save_session,
)
from workers.engines.concepts.visual_prompts import merge_since_last_region
from workers.engines.protocols import FrameResult, TrackPrompts, VideoFrame


@dataclass(frozen=True, slots=True)
class _WaitingFrame:
    """A frame that waits for its batch: its place in the video and its pixels (1, 3, S, S)."""

    index: int
    pts: int
    pixels: Any


class Sam3Tracker:
    """One video. With phrases, results come `hotstart_delay` frames late; with visual prompts alone, at once.

    With a batch of more than one, frames wait for each other before they are processed: results come up to
    `batch - 1` frames later still, and differ from those of one frame at a time only by the rounding of sums.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        grounding: Grounding,
        settings: Sam3Settings,
        prompts: TrackPrompts,
        *,
        state: bytes | None = None,
    ) -> None:
        """`state` is a snapshot to resume from; ValueError when it is of another model or other prompts."""
        self._loaded, self._grounding, self._settings, self._prompts = loaded, grounding, settings, prompts
        self._schedule = PromptSchedule(prompts, merge_since_last_region)
        self._removed: set[int] = set()
        self._size: tuple[int, int] | None = None
        self._count = 0
        self._batch = loaded.profile.batch
        self._waiting: list[_WaitingFrame] = []
        self._deferred: list[DeferredFrame] = []
        self._final: list[DeferredFrame] = []
        self._phrase_tracker: PhraseTracker | None = None
        self._prompt_tracker: PromptTracker | None = None
        if state is not None:
            self._restore(load_snapshot(state, self._signature(), loaded.device))

    @computes
    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Process the next frame and return the results that are final now.

        Raises ValueError when the frame's size has changed or a prompt cannot be answered, ObjectUnknown for
        a prompt for an object of a phrase that is not tracked on this frame, or on one that waited with it.
        """
        check_image(frame.image)
        size = frame.image.shape[0], frame.image.shape[1]
        if self._size is None:
            self._schedule.validate(size, first_must_start=False)
            self._open_sessions(size)
        elif size != self._size:
            raise ValueError(f"the frame's size {size} is not that of the first one {self._size}")
        loaded = self._loaded
        pixels = to_pixels(frame.image, loaded.side, device=loaded.device, dtype=loaded.dtype)
        self._waiting.append(_WaitingFrame(frame.index, frame.pts, pixels))
        if len(self._waiting) >= self._batch:
            self._process_waiting()
        return self._take_results()

    @computes
    def finish(self) -> Sequence[FrameResult]:
        """The results that were held back."""
        self._process_waiting()
        self._finalise(0)
        return self._take_results()

    @computes
    def snapshot(self) -> bytes:
        """The complete state as safetensors bytes, once the waiting frames are processed.

        Raises ValueError before the first frame.
        """
        if self._size is None:
            raise ValueError("there is no state before the first frame")
        self._process_waiting()
        return dump_snapshot(self._state(), self._signature())

    def state_bytes(self) -> int:
        """The bytes of all tensors that this tracker holds between two frames."""
        waiting = sum(int(frame.pixels.nbytes) for frame in self._waiting)
        return count_tensor_bytes(self._state()) + waiting

    def _process_waiting(self) -> None:
        """Process the frames that wait, in order."""
        frames, self._waiting = self._waiting, []
        batch = None
        if len(frames) > 1:
            pixels = [frame.pixels for frame in frames]
            batch = FrameBatch(self._loaded.model, pixels, len(self._prompts.phrases))
        for row, frame in enumerate(frames):
            self._process(frame, batch, row)

    def _process(self, frame: _WaitingFrame, batch: FrameBatch | None, row: int) -> None:
        output, features = DeferredFrame(frame.index, frame.pts), None
        with batch.replace_outputs(row) if batch and self._phrase_tracker else nullcontext():
            if self._phrase_tracker:
                output.of_phrases, features = self._phrase_tracker.step(
                    self._count, frame.pixels, frame.index
                )
        if self._prompt_tracker:
            self._apply_prompts(
                self._prompt_tracker, output, lambda: features or self._compute_features(frame, batch, row)
            )
        self._deferred.append(output)
        # which objects are duplicates is known as of this frame, whenever the results are read
        self._finalise(max(self._phrase_tracker.delay - 1, 0) if self._phrase_tracker else 0)
        self._prune(self._count)
        self._count += 1

    def _compute_features(self, frame: _WaitingFrame, batch: FrameBatch | None, row: int) -> Features:
        return batch.features(row) if batch else compute_features(self._loaded.model, frame.pixels)

    def _apply_prompts(
        self, tracker: PromptTracker, output: DeferredFrame, features: Callable[[], Features]
    ) -> None:
        """Apply the prompts and removals of a frame, and propagate the objects of earlier prompts."""
        for number in self._schedule.removals_on(output.index):
            self._remove(tracker, number, output)
        scheduled = self._schedule.prompts_on(output.index)
        prompts = {number: prompt for number, prompt in scheduled.items() if number not in self._removed}
        takeovers = {
            number: self._take_over(number, output)
            for number in prompts
            if number > self._prompts.objects and not tracker.is_tracking(number)
        }
        if prompts or tracker.has_objects:
            output.of_prompts = tracker.step(self._count, features(), prompts, takeovers)

    def _take_over(self, number: int, output: DeferredFrame) -> Takeover:
        inner, takeover = self._phrase_id(number), None
        if self._phrase_tracker and output.of_phrases:
            takeover = self._phrase_tracker.hand_over(inner, output.of_phrases)
            output.remove_phrase_objects({inner})
        if takeover is None:
            raise ObjectUnknown(number, output.index)
        return takeover

    def _remove(self, tracker: PromptTracker, number: int, output: DeferredFrame) -> None:
        self._removed.add(number)
        tracker.drop(number)
        if self._phrase_tracker and number > self._prompts.objects:
            inner = self._phrase_id(number)
            self._phrase_tracker.dismiss(inner)
            output.remove_phrase_objects({inner})

    def _phrase_id(self, number: int) -> int:
        """The id in the phrase tracker of an object whose id in the results is `number`."""
        return number - self._prompts.objects - 1

    def _open_sessions(self, size: tuple[int, int]) -> None:
        self._size = size
        loaded, prompts = self._loaded, self._prompts
        pruner = SessionPruner(loaded.model.tracker_model.config, self._settings.pointer_history)
        if prompts.phrases:
            self._phrase_tracker = PhraseTracker(loaded, self._grounding, prompts, size, pruner)
        if prompts.visual_prompts or prompts.removals:
            fill_area = self._settings.postprocess.fill_area
            self._prompt_tracker = PromptTracker(loaded, prompts, size, pruner, fill_area)

    def _finalise(self, keep: int) -> None:
        """Make all deferred frames but the last `keep` final, without duplicates."""
        hidden = self._phrase_tracker.hidden_ids() if self._phrase_tracker else set()
        count = max(len(self._deferred) - keep, 0)
        due, self._deferred = self._deferred[:count], self._deferred[count:]
        for frame in due:
            frame.remove_phrase_objects(hidden)
        self._final += due

    def _take_results(self) -> list[FrameResult]:
        if self._size is None:
            return []
        due, self._final = self._final, []
        chunk = self._settings.postprocess.mask_chunk
        return [build_frame_result(frame, self._prompts, self._size, chunk) for frame in due]

    def _prune(self, number: int) -> None:
        if self._phrase_tracker:
            awaited: set[int] = set().union(*(frame.phrase_ids() for frame in self._deferred))
            self._phrase_tracker.prune(number, awaited)
        if self._prompt_tracker:
            self._prompt_tracker.prune(number)

    def _signature(self) -> dict[str, Any]:
        return {"model": self._loaded.fingerprint, **self._prompts.signature()}

    def _state(self) -> dict[str, Any]:
        phrases, prompts = self._phrase_tracker, self._prompt_tracker
        return {
            "size": self._size,
            "count": self._count,
            "gone": self._removed,
            "pending": [frame.pack() for frame in self._deferred],
            "ready": [frame.pack() for frame in self._final],
            "phrases": save_session(phrases.session) if phrases else None,
            "clicks": save_session(prompts.session) if prompts else None,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._open_sessions(state["size"])
        self._count = state["count"]
        self._removed = state["gone"]
        self._deferred = [DeferredFrame.unpack(packed) for packed in state["pending"]]
        self._final = [DeferredFrame.unpack(packed) for packed in state["ready"]]
        for tracker, name in ((self._phrase_tracker, "phrases"), (self._prompt_tracker, "clicks")):
            if tracker:
                restore_session(tracker.session, state[name])
