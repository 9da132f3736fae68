"""Follows phrases and clicks through a video of any length, in memory that depends on the objects alone.

Up to `pointer_history` conditioning frames of an object the results are those of transformers' own iterator
over the whole video, bit for bit; a video of fewer than 16 frames is taken for the start of a longer one.
Frames are counted as they come, so that a video given backwards is followed like any other.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.engines.concepts.sam3.click_side import ClickSide
from workers.engines.concepts.sam3.deferred_output import Pending, show
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.frame_batch import FrameBatch
from workers.engines.concepts.sam3.image import Grounding
from workers.engines.concepts.sam3.loading import Loaded
from workers.engines.concepts.sam3.phrase_side import PhraseSide, Seed
from workers.engines.concepts.sam3.preprocess import check_image, to_pixels
from workers.engines.concepts.sam3.sessions import Features, Pruner, features_of, load_state, saved_state
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.snapshot import dump, nbytes, restore
from workers.engines.concepts.visual_prompts import merge_since_last_region
from workers.engines.protocols import FrameResult, TrackPrompts, VideoFrame


class Sam3Tracker:
    """One video. Results of phrases come `hotstart_delay` frames late, results of clicks alone at once.

    With a batch of more than one, frames wait for each other before they are worked on: results come up to
    `batch - 1` frames later still, and are those of one frame at a time but for the rounding of sums.
    """

    def __init__(
        self,
        loaded: Loaded,
        grounding: Grounding,
        settings: Sam3Settings,
        prompts: TrackPrompts,
        *,
        state: bytes | None = None,
    ) -> None:
        """`state` goes on from a snapshot; ValueError when it is of another model or other prompts."""
        self._loaded, self._grounding, self._settings, self._prompts = loaded, grounding, settings, prompts
        self._asked = PromptSchedule(prompts, merge_since_last_region)
        self._gone: set[int] = set()
        self._size: tuple[int, int] | None = None
        self._count = 0
        self._batch = settings.frames_together(loaded.device.type)
        self._window: list[tuple[int, int, Any]] = []
        self._pending: list[Pending] = []
        self._ready: list[Pending] = []
        self._phrases: PhraseSide | None = None
        self._clicks: ClickSide | None = None
        if state is not None:
            self._restore(restore(state, self._signature(), loaded.device))

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Take the next frame; what is final now.

        Raises ValueError when the frame's size has changed or a click says nothing, ObjectUnknown for a click
        on an object of a phrase that is not followed on this frame, or on one that waited with it.
        """
        check_image(frame.image)
        size = frame.image.shape[0], frame.image.shape[1]
        if self._size is None:
            self._asked.validate(size, first_must_start=False)
            self._open(size)
        elif size != self._size:
            raise ValueError(f"the frame's size {size} is not that of the first one {self._size}")
        loaded = self._loaded
        pixels = to_pixels(frame.image, loaded.side, device=loaded.device, dtype=loaded.dtype)
        self._window.append((frame.index, frame.pts, pixels))
        if len(self._window) >= self._batch:
            self._work()
        return self._show()

    def finish(self) -> Sequence[FrameResult]:
        """The frames that were held back."""
        self._work()
        self._release(0)
        return self._show()

    def snapshot(self) -> bytes:
        """The whole state as safetensors bytes, once the frames that wait are done; ValueError before the
        first frame.
        """
        if self._size is None:
            raise ValueError("there is no state before the first frame")
        self._work()
        return dump(self._state(), self._signature())

    def state_bytes(self) -> int:
        """The bytes of all tensors that this tracker holds between two frames."""
        waiting = sum(int(pixels.nbytes) for _, _, pixels in self._window)
        return nbytes(self._state()) + waiting

    def _work(self) -> None:
        """Work on the frames that wait, in order."""
        window, self._window = self._window, []
        ahead = None
        if len(window) > 1:
            pixels = [pixels for _, _, pixels in window]
            ahead = FrameBatch(self._loaded.model, pixels, len(self._prompts.phrases))
        for row, (index, pts, pixels) in enumerate(window):
            self._frame(Pending(index, pts, None, None), pixels, ahead, row)

    def _frame(self, waiting: Pending, pixels: Any, ahead: FrameBatch | None, row: int) -> None:
        features = None
        with ahead.answering(row) if ahead and self._phrases else nullcontext():
            if self._phrases:
                waiting.phrases, features = self._phrases.step(self._count, pixels)
        if self._clicks:
            self._click(self._clicks, waiting, features, lambda: self._features(pixels, ahead, row))
        self._pending.append(waiting)
        # what is a duplicate is known as of this frame, whenever the results are asked for
        self._release(max(self._phrases.delay - 1, 0) if self._phrases else 0)
        self._tidy(self._count)
        self._count += 1

    def _features(self, pixels: Any, ahead: FrameBatch | None, row: int) -> Features:
        return ahead.features(row) if ahead else features_of(self._loaded.model, pixels)

    def _click(
        self, side: ClickSide, waiting: Pending, known: Features | None, make: Callable[[], Features]
    ) -> None:
        """Answer the clicks and removals of this frame, and propagate what was clicked before."""
        for number in self._asked.removals_on(waiting.index):
            self._remove(side, number, waiting)
        asked = {
            number: prompt
            for number, prompt in self._asked.prompts_on(waiting.index).items()
            if number not in self._gone
        }
        seeds = {}
        for number in asked:
            if number > self._prompts.objects and not side.follows(number):
                seeds[number] = self._hand_over(number, waiting)
        if asked or side.busy:
            waiting.clicks = side.step(self._count, known or make(), asked, seeds)

    def _hand_over(self, number: int, waiting: Pending) -> Seed:
        inner, seed = number - self._prompts.objects - 1, None
        if self._phrases and waiting.phrases:
            seed = self._phrases.hand_over(inner, waiting.phrases)
            waiting.without({inner})
        if seed is None:
            raise ObjectUnknown(number, waiting.index)
        return seed

    def _remove(self, side: ClickSide, number: int, waiting: Pending) -> None:
        self._gone.add(number)
        side.drop(number)
        if self._phrases and number > self._prompts.objects:
            inner = number - self._prompts.objects - 1
            self._phrases.give_up(inner)
            waiting.without({inner})

    def _open(self, size: tuple[int, int]) -> None:
        self._size = size
        loaded, prompts = self._loaded, self._prompts
        pruner = Pruner(loaded.model.tracker_model.config, self._settings.pointer_history)
        if prompts.phrases:
            self._phrases = PhraseSide(loaded, self._grounding, prompts, size, pruner)
        if prompts.visual_prompts or prompts.removals:
            self._clicks = ClickSide(loaded, prompts, size, pruner, self._settings.fill_area)

    def _release(self, keep: int) -> None:
        """All frames but the last `keep` are final."""
        hidden = self._phrases.hidden() if self._phrases else set()
        due, self._pending = self._pending[: -keep or None], self._pending[-keep or len(self._pending) :]
        for frame in due:
            frame.without(hidden)
        self._ready += due

    def _show(self) -> list[FrameResult]:
        if self._size is None:
            return []
        due, self._ready = self._ready, []
        return [show(frame, self._prompts, self._size, self._settings.mask_chunk) for frame in due]

    def _tidy(self, number: int) -> None:
        if self._phrases:
            awaited: set[int] = set().union(*(frame.awaited() for frame in self._pending))
            self._phrases.tidy(number, awaited)
        if self._clicks:
            self._clicks.tidy(number)

    def _signature(self) -> dict[str, Any]:
        return {"model": self._loaded.fingerprint, **self._prompts.signature()}

    def _state(self) -> dict[str, Any]:
        return {
            "size": self._size,
            "count": self._count,
            "gone": self._gone,
            "pending": [frame.packed() for frame in self._pending],
            "ready": [frame.packed() for frame in self._ready],
            "phrases": saved_state(self._phrases.session) if self._phrases else None,
            "clicks": saved_state(self._clicks.session) if self._clicks else None,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._open(state["size"])
        self._count = state["count"]
        self._gone = state["gone"]
        self._pending = [Pending.of(packed) for packed in state["pending"]]
        self._ready = [Pending.of(packed) for packed in state["ready"]]
        for side, name in ((self._phrases, "phrases"), (self._clicks, "clicks")):
            if side:
                load_state(side.session, state[name])
