"""One clip in one session of Meta's video predictor, pass by pass.

Each phrase is a pass of its own, because a text prompt starts Meta's session anew; then points correct what
the pass has found. The objects of visual prompts are one further pass. Frames are counted as they come.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from maquette.contract import Problem

from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.preprocess import to_point_tokens
from workers.engines.concepts.sam3.tokenizer import VISUAL_PHRASE
from workers.engines.concepts.visual_prompts import parse_prompt
from workers.engines.protocols import (
    FrameExemplar,
    FrameResult,
    Mask,
    RequestRefused,
    TrackedInstance,
    TrackPrompts,
    VisualPrompt,
)
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box

# the mask and score of each object in one frame
FrameMasks = dict[int, tuple[Mask, float]]
# the place of a frame in the clip, the object's id and the prompt
PlacedPrompt = tuple[int, int, VisualPrompt]
# a score that no detection reaches
UNREACHABLE_SCORE = 2.0


class FramePosition(Protocol):
    @property
    def index(self) -> int:
        """The frame's number in the video."""
        ...

    @property
    def pts(self) -> int:
        """Its time in units of the stream's time base."""
        ...


class ClipRun:
    """One clip in one of Meta's sessions: the masks of each pass, by the frames' places in the clip."""

    def __init__(
        self,
        predictor: Any,
        session: str,
        size: tuple[int, int],
        frames: Sequence[FramePosition],
        schedule: PromptSchedule,
        prompts: TrackPrompts,
        mask_bytes: int,
    ) -> None:
        """`mask_bytes` limits what the masks of the clip may take."""
        self._free_bytes, self._mask_bytes = mask_bytes, mask_bytes
        self._predictor, self._session, self._size = predictor, session, size
        self._frames, self._prompts = frames, prompts
        self._places = {frame.index: place for place, frame in enumerate(frames)}
        self._passes: list[list[FrameMasks]] = []
        self._phrase_by_id: dict[int, int] = {}
        self._next_id = prompts.objects + 1
        removals = [
            (self._places[removal.frame], removal.id)
            for removal in prompts.removals
            if removal.frame in self._places
        ]
        self._removed_at = {number: place for place, number in sorted(removals, reverse=True)}
        self._placed: list[PlacedPrompt] = [
            (place, number, prompt)
            for place, frame in enumerate(frames)
            for number, prompt in schedule.prompts_on(frame.index).items()
            if place < self._removed_at.get(number, len(frames))
        ]

    def track_phrase(self, prompt: int, exemplar: FrameExemplar | None) -> None:
        """Find a phrase's objects on every frame, then correct those with visual prompts."""
        text, first, place = self._prompts.phrases[prompt], self._next_id, 0
        request: dict[str, Any] = {"text": text}
        if exemplar is not None and exemplar.frame in self._places:
            place, (height, width) = self._places[exemplar.frame], self._size
            x0, y0, x1, y1 = exemplar.box
            request["bounding_boxes"] = [[x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height]]
            request["bounding_box_labels"] = [exemplar.label]
            if text == VISUAL_PHRASE:
                del request["text"]
        masks, last = self._begin_pass(), len(self._frames) - 1
        with self._threshold(self._prompts.threshold(prompt)):
            answer = self._add_prompt(place, **request)
            # a session that has gone forward from the last frame considers the clip done
            direction = "forward" if place == 0 else "backward" if place == last else "both"
            self._store(masks, answer, first)
            self._propagate(masks, place, first, direction)
        self._next_id = max((number for on_frame in masks for number in on_frame), default=first - 1) + 1
        self._phrase_by_id.update(dict.fromkeys(range(first, self._next_id), prompt))
        self._correct(masks, [each for each in self._placed if first <= each[1] < self._next_id], first)

    def track_visual_prompts(self) -> None:
        """Track the objects of visual prompts; ObjectUnknown for a prompt for what no phrase has found."""
        own = [each for each in self._placed if each[1] <= self._prompts.objects]
        for place, number, _ in self._placed:
            if number >= self._next_id:
                raise ObjectUnknown(number, self._frames[place].index)
        if own:
            # points are accepted only after a pass over the clip: one that can find nothing
            with self._threshold(UNREACHABLE_SCORE):
                self._add_prompt(0, text=VISUAL_PHRASE)
                self._propagate([{} for _ in self._frames], 0, 0, "forward")
            self._correct(self._begin_pass(), own, 0)

    def results(self) -> list[FrameResult]:
        """The objects of each frame, without those that were removed."""
        results = []
        for place, frame in enumerate(self._frames):
            masks: FrameMasks = {}
            for each in self._passes:
                masks |= each[place]
            objects = tuple(
                self._to_instance(number, *masks[number])
                for number in sorted(masks)
                if place < self._removed_at.get(number, len(self._frames))
            )
            results.append(FrameResult(frame.index, frame.pts, objects))
        return results

    def _begin_pass(self) -> list[FrameMasks]:
        masks: list[FrameMasks] = [{} for _ in self._frames]
        self._passes.append(masks)
        return masks

    def _correct(self, masks: list[FrameMasks], placed: Sequence[PlacedPrompt], first: int) -> None:
        """Apply prompts in the order of their frames, each propagated to the end of the clip."""
        for place in sorted({each[0] for each in placed}):
            for _, number, prompt in (each for each in placed if each[0] == place):
                coordinates, labels = self._to_points(prompt)
                self._add_prompt(place, points=coordinates, point_labels=labels, obj_id=number - first)
            self._propagate(masks, place, first, "forward")

    def _to_points(self, prompt: VisualPrompt) -> tuple[list[list[float]], list[int]]:
        """A prompt's points and box corners as shares of the image, and their labels."""
        side = int(self._predictor.model.image_size)
        parsed = parse_prompt(prompt, self._size, is_correction=True)
        coordinates, labels = to_point_tokens(parsed.box, parsed.points, parsed.labels, self._size, side)
        return (coordinates[0, 0] / side).tolist(), labels[0, 0].tolist()

    def _add_prompt(self, place: int, **request: Any) -> Any:
        return self._predictor.handle_request(
            {"type": "add_prompt", "session_id": self._session, "frame_index": place, **request}
        )

    def _propagate(self, masks: list[FrameMasks], place: int, first: int, direction: str) -> None:
        """Store what Meta's session finds from a frame on; its ids begin at `first`."""
        request = {
            "type": "propagate_in_video",
            "session_id": self._session,
            "propagation_direction": direction,
            "start_frame_index": place,
        }
        for answer in self._predictor.handle_stream_request(request):
            self._store(masks, answer, first)

    def _store(self, masks: list[FrameMasks], answer: Any, first: int) -> None:
        out = answer["outputs"]
        rows = zip(out["out_obj_ids"], out["out_binary_masks"], out["out_probs"], strict=True)
        place = answer["frame_index"]
        self._free_bytes += _count_bytes(masks[place])
        masks[place] = {
            int(inner) + first: (np.ascontiguousarray(mask, np.bool_), float(score))
            for inner, mask, score in rows
            if np.any(mask)
        }
        self._free_bytes -= _count_bytes(masks[place])
        if self._free_bytes < 0:
            gib = self._mask_bytes / 2**30
            detail = (
                f"Meta's package holds the masks of a complete video, and those of this one take more than "
                f"{gib:.3g} GiB: track fewer objects, a smaller or a shorter video, or use the other backend"
            )
            raise RequestRefused(Problem.from_code("video_too_long", 422, detail))

    def _to_instance(self, number: int, mask: Mask, score: float) -> TrackedInstance:
        phrases = self._prompts.phrases
        prompt = self._phrase_by_id.get(number, len(phrases) + number - 1)
        label = phrases[prompt] if prompt < len(phrases) else None
        return TrackedInstance(
            mask, bounding_box(mask), score, prompt, label, truncation_flags(mask), id=number
        )

    @contextmanager
    def _threshold(self, value: float | None) -> Iterator[None]:
        """Start tracks of this phrase from the value on; the model's own threshold still confirms them."""
        model = self._predictor.model
        default = model.score_threshold_detection, model.new_det_thresh
        if value is not None:
            detection = value if value == UNREACHABLE_SCORE else min(default[0], value)
            model.score_threshold_detection, model.new_det_thresh = detection, value
        try:
            yield
        finally:
            model.score_threshold_detection, model.new_det_thresh = default


def _count_bytes(masks: FrameMasks) -> int:
    return sum(mask.nbytes for mask, _ in masks.values())
