"""Video by Meta's own predictor: its session holds the complete clip, and the last pass hands out results."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import cv2
import torch
from maquette.contract import Problem
from PIL import Image

from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.engines.concepts.sam3.meta_backend.clip_run import ClipRun
from workers.engines.concepts.sam3.meta_backend.loading import COMMIT, MetaModels
from workers.engines.concepts.sam3.meta_backend.sessions import close_session
from workers.engines.concepts.sam3.preprocess import check_image
from workers.engines.concepts.sam3.snapshot import dump_snapshot, load_snapshot
from workers.engines.concepts.visual_prompts import merge_since_last_region
from workers.engines.protocols import FrameResult, RequestRefused, TrackPrompts, VideoFrame


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame that waits for the clip's end: its place in the video and its PNG bytes (N,) u8."""

    index: int
    pts: int
    png: Any


class MetaTracker:
    """One clip of at most `max_frames` frames."""

    def __init__(
        self,
        models: MetaModels,
        prompts: TrackPrompts,
        *,
        state: bytes | None = None,
    ) -> None:
        """Raises RequestRefused for mask prompts, ValueError for a snapshot of other prompts."""
        if any(timed.prompt.mask is not None for timed in prompts.visual_prompts):
            detail = "this backend takes no masks as prompts in video"
            raise RequestRefused(Problem.from_code("mask_prompt_unsupported", 422, detail))
        if len({exemplar.prompt for exemplar in prompts.exemplars}) < len(prompts.exemplars):
            detail = "this backend takes one exemplar box per phrase in video"
            raise RequestRefused(Problem.from_code("exemplars_too_many", 422, detail))
        if any(exemplar.label == 0 for exemplar in prompts.exemplars):
            detail = "this backend takes exemplars of what is meant alone: leave counter-exemplars out"
            raise RequestRefused(Problem.from_code("counter_exemplars_unsupported", 422, detail))
        self._models, self._prompts = models, prompts
        self._schedule = PromptSchedule(prompts, merge_since_last_region)
        self._exemplars = {exemplar.prompt: exemplar for exemplar in prompts.exemplars}
        self._size: tuple[int, int] | None = None
        self._frames: list[StoredFrame] = []
        if state is not None:
            self._restore(load_snapshot(state, self._signature(), "cpu"))

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Store the next frame; nothing is final before the end.

        Raises RequestRefused (`video_too_long`) beyond the limit, ValueError when the frame's size has
        changed.
        """
        check_image(frame.image)
        size = frame.image.shape[0], frame.image.shape[1]
        if self._size is None:
            self._schedule.validate(size, first_must_start=False)
            self._size = size
        elif size != self._size:
            raise ValueError(f"the frame's size {size} is not that of the first one {self._size}")
        limit = self._models.settings.max_frames
        if len(self._frames) == limit:
            detail = f"Meta's package holds a complete video of at most {limit} frames; use the other backend"
            raise RequestRefused(Problem.from_code("video_too_long", 422, detail, limit=limit))
        _, png = cv2.imencode(".png", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        self._frames.append(StoredFrame(frame.index, frame.pts, torch.from_numpy(png.ravel())))
        return []

    def finish(self) -> Iterator[FrameResult]:
        """Run Meta's predictor over the clip: every frame's result, in the order in which frames came.

        The last pass over the clip hands out each frame as soon as it is final; closing the iterator ends it.
        Raises ObjectUnknown, RequestRefused (`video_too_long`): see `ClipRun.track`.
        """
        if self._size is None or not self._frames:
            return
        frames, self._frames = self._frames, []
        predictor = self._models.predictor
        images = [Image.fromarray(_decode_png(frame.png)) for frame in frames]
        with self._models.on_device():
            opened = predictor.handle_request({"type": "start_session", "resource_path": images})
        # the session holds what it needs of them
        del images
        session = opened["session_id"]
        try:
            run = ClipRun(self._models, session, self._size, frames, self._schedule, self._prompts)
            with closing(run.track(self._exemplars)) as results:
                yield from results
        finally:
            with self._models.on_device():
                close_session(predictor, session)

    def snapshot(self) -> bytes:
        """The frames so far, losslessly coded: as large as they are. ValueError before the first frame."""
        if self._size is None:
            raise ValueError("there is no state before the first frame")
        frames = [[frame.index, frame.pts, frame.png] for frame in self._frames]
        return dump_snapshot({"size": self._size, "frames": frames}, self._signature())

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._size = state["size"]
        self._frames = [StoredFrame(*row) for row in state["frames"]]

    def _signature(self) -> dict[str, Any]:
        weights = sorted(self._models.weights.items())
        return {
            "meta": COMMIT,
            "weights": [list(pair) for pair in weights],
            **self._prompts.signature(),
        }


def _decode_png(png: Any) -> Any:
    return cv2.cvtColor(cv2.imdecode(png.numpy(), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
