"""Video by Meta's own predictor: its session holds the whole clip, so results come at the clip's end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import torch
from maquette.contract import Problem
from PIL import Image

from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.engines.concepts.sam3.meta_loading import COMMIT, MetaLoaded
from workers.engines.concepts.sam3.meta_run import MetaRun
from workers.engines.concepts.sam3.preprocess import check_image
from workers.engines.concepts.sam3.snapshot import dump, restore
from workers.engines.concepts.visual_prompts import merge_since_last_region
from workers.engines.protocols import FrameResult, RequestRefused, TrackPrompts, VideoFrame


@dataclass(frozen=True, slots=True)
class Kept:
    """A frame that waits for the clip's end: its place in the video and its PNG bytes, (N,) u8."""

    index: int
    pts: int
    png: Any


class MetaTracker:
    """One clip of at most `max_frames` frames."""

    def __init__(
        self,
        loaded: MetaLoaded,
        prompts: TrackPrompts,
        *,
        state: bytes | None = None,
    ) -> None:
        """Raises RequestRefused for mask prompts, ValueError for a snapshot of other prompts."""
        if any(timed.prompt.mask is not None for timed in prompts.visual_prompts):
            raise RequestRefused(
                Problem.from_code(
                    "mask_prompt_unsupported", 422, "this backend takes no masks as prompts in video"
                )
            )
        if len({one.prompt for one in prompts.exemplars}) < len(prompts.exemplars):
            raise RequestRefused(
                Problem.from_code(
                    "exemplars_too_many", 422, "this backend takes one box on a frame for a phrase"
                )
            )
        self._loaded, self._prompts, self._asked = (
            loaded,
            prompts,
            PromptSchedule(prompts, merge_since_last_region),
        )
        self._shown = {one.prompt: one for one in prompts.exemplars}
        self._size: tuple[int, int] | None = None
        self._frames: list[Kept] = []
        if state is not None:
            self._restore(restore(state, self._signature(), "cpu"))

    def step(self, frame: VideoFrame) -> Sequence[FrameResult]:
        """Take the next frame; nothing is final before the end.

        Raises RequestRefused (`video_too_long`) beyond the limit, ValueError when the frame size changed.
        """
        check_image(frame.image)
        size = frame.image.shape[0], frame.image.shape[1]
        if self._size is None:
            self._asked.validate(size, first_must_start=False)
            self._size = size
        elif size != self._size:
            raise ValueError(f"the frame's size {size} is not that of the first one {self._size}")
        limit = self._loaded.settings.max_frames
        if len(self._frames) == limit:
            detail = f"Meta's package holds a whole video and takes {limit} frames; use its other backend"
            raise RequestRefused(Problem.from_code("video_too_long", 422, detail, limit=limit))
        _, png = cv2.imencode(".png", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        self._frames.append(Kept(frame.index, frame.pts, torch.from_numpy(png.ravel())))
        return []

    def finish(self) -> Sequence[FrameResult]:
        """Run Meta's predictor over the clip: every frame's result, in the order in which frames came."""
        if self._size is None or not self._frames:
            return []
        predictor, frames = self._loaded.predictor, self._frames
        pictures = [Image.fromarray(_decoded(kept.png)) for kept in frames]
        opened = predictor.handle_request({"type": "start_session", "resource_path": pictures})
        run = MetaRun(predictor, opened["session_id"], self._size, frames, self._asked, self._prompts)
        try:
            for prompt in range(len(self._prompts.phrases)):
                run.phrase(prompt, self._shown.get(prompt))
            run.clicks()
        finally:
            predictor.handle_request({"type": "close_session", "session_id": opened["session_id"]})
        self._frames = []
        return run.results()

    def snapshot(self) -> bytes:
        """The frames so far, losslessly coded: as large as they are. ValueError before the first frame."""
        if self._size is None:
            raise ValueError("there is no state before the first frame")
        frames = [[kept.index, kept.pts, kept.png] for kept in self._frames]
        return dump({"size": self._size, "frames": frames}, self._signature())

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._size = state["size"]
        self._frames = [Kept(*row) for row in state["frames"]]

    def _signature(self) -> dict[str, Any]:
        weights = sorted(self._loaded.weights.items())
        return {
            "meta": COMMIT,
            "weights": [list(pair) for pair in weights],
            **self._prompts.signature(),
        }


def _decoded(png: Any) -> Any:
    return cv2.cvtColor(cv2.imdecode(png.numpy(), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
