"""Follows phrases and clicks through a video of any length, in memory that depends on the objects alone.

Up to `pointer_history` conditioning frames of an object the results are those of transformers' own iterator
over the whole video, bit for bit; a video of fewer than 16 frames is taken for the start of a longer one.
"""

from collections.abc import Sequence
from typing import Any

from workers.engines.concepts.sam3.image import Grounding
from workers.engines.concepts.sam3.loading import Loaded
from workers.engines.concepts.sam3.pending import Pending, show
from workers.engines.concepts.sam3.preprocess import check_image, to_pixels
from workers.engines.concepts.sam3.sessions import Pruner, load_state, saved_state
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.snapshot import dump, nbytes, restore
from workers.engines.concepts.sam3.video_sides import ClickSide, PhraseSide, features_of
from workers.engines.protocols import FrameResult, TrackPrompts, VideoFrame


class Sam3Tracker:
    """One video. Results of phrases come `hotstart_delay` frames late, results of clicks alone at once."""

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
        self._size: tuple[int, int] | None = None
        self._count = 0
        self._pending: list[Pending] = []
        self._phrases: PhraseSide | None = None
        self._clicks: ClickSide | None = None
        if state is not None:
            self._restore(restore(state, self._signature(), loaded.device))

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Take the next frame; what is final now. ValueError when the frame's size has changed."""
        check_image(frame.image)
        size = frame.image.shape[0], frame.image.shape[1]
        if self._size is None:
            self._open(size)
            if self._clicks:
                self._clicks.begin(self._prompts.clicks)
        elif size != self._size:
            raise ValueError(f"the frame's size {size} is not that of the first one {self._size}")
        loaded, number = self._loaded, self._count
        pixels = to_pixels(frame.image, loaded.side, device=loaded.device, dtype=loaded.dtype)
        waiting, features = Pending(frame.index, frame.pts, None, None), None
        if self._phrases:
            waiting.phrases, features = self._phrases.step(number, pixels)
        if self._clicks:
            waiting.clicks = self._clicks.step(number, features or features_of(loaded.model, pixels))
        self._pending.append(waiting)
        self._count += 1
        due = self._release(max(self._phrases.delay - 1, 0) if self._phrases else 0)
        self._tidy(number)
        return due

    def finish(self) -> Sequence[FrameResult]:
        """The frames that were held back."""
        return self._release(0)

    def snapshot(self) -> bytes:
        """The whole state as safetensors bytes; ValueError before the first frame."""
        if self._size is None:
            raise ValueError("there is no state before the first frame")
        return dump(self._state(), self._signature())

    def state_bytes(self) -> int:
        """The bytes of all tensors that this tracker holds between two frames."""
        return nbytes(self._state())

    def _open(self, size: tuple[int, int]) -> None:
        self._size = size
        loaded, prompts = self._loaded, self._prompts
        pruner = Pruner(loaded.model.tracker_model.config, self._settings.pointer_history)
        if prompts.phrases:
            self._phrases = PhraseSide(loaded, self._grounding, prompts, size, pruner)
        if prompts.clicks:
            self._clicks = ClickSide(loaded, prompts, size, pruner, self._settings.fill_area)

    def _release(self, keep: int) -> list[FrameResult]:
        if self._size is None:
            return []
        hidden = self._phrases.hidden() if self._phrases else set()
        due, self._pending = self._pending[: -keep or None], self._pending[-keep or len(self._pending) :]
        chunk = self._settings.mask_chunk
        return [show(frame, hidden, self._prompts, self._size, chunk) for frame in due]

    def _tidy(self, number: int) -> None:
        if self._phrases:
            awaited: set[int] = set().union(*(frame.awaited() for frame in self._pending))
            self._phrases.tidy(number, awaited)
        if self._clicks:
            self._clicks.tidy(number)

    def _signature(self) -> dict[str, Any]:
        prompts = self._prompts
        return {
            "model": self._loaded.fingerprint,
            "phrases": list(prompts.phrases),
            "clicks": len(prompts.clicks),
            "threshold": prompts.threshold,
        }

    def _state(self) -> dict[str, Any]:
        return {
            "size": self._size,
            "count": self._count,
            "pending": [frame.packed() for frame in self._pending],
            "phrases": saved_state(self._phrases.session) if self._phrases else None,
            "clicks": saved_state(self._clicks.session) if self._clicks else None,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._open(state["size"])
        self._count = state["count"]
        self._pending = [Pending.of(packed) for packed in state["pending"]]
        for side, name in ((self._phrases, "phrases"), (self._clicks, "clicks")):
            if side:
                load_state(side.session, state[name])
