"""One clip in one session of Meta's video predictor, pass by pass.

Each phrase is a pass of its own, because a text prompt starts Meta's session anew; then points correct what
the pass has found. Clicked objects are one further pass. Frames are counted as they come.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.image import VISUAL
from workers.engines.concepts.sam3.preprocess import click_points
from workers.engines.concepts.visual_prompts import parse_prompt
from workers.engines.protocols import (
    FrameExemplar,
    FrameResult,
    Mask,
    TrackedInstance,
    TrackPrompts,
    VisualPrompt,
)
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box

Found = dict[int, tuple[Mask, float]]
# no score reaches it
NEVER = 2.0


class VideoPlace(Protocol):
    @property
    def index(self) -> int:
        """The frame's number in the video."""
        ...

    @property
    def pts(self) -> int:
        """Its time in ticks of the stream's time base."""
        ...


class MetaRun:
    """One clip in one of Meta's sessions: what each pass has found, by the frames' positions."""

    def __init__(
        self,
        predictor: Any,
        session: str,
        size: tuple[int, int],
        frames: Sequence[VideoPlace],
        asked: PromptSchedule,
        prompts: TrackPrompts,
    ) -> None:
        self._predictor, self._session, self._size = predictor, session, size
        self._frames, self._prompts = frames, prompts
        self._places = {kept.index: place for place, kept in enumerate(frames)}
        self._passes: list[list[Found]] = []
        self._prompt_of: dict[int, int] = {}
        self._next = prompts.objects + 1
        removals = [
            (self._places[each.frame], each.id) for each in prompts.removals if each.frame in self._places
        ]
        self._gone = {number: place for place, number in sorted(removals, reverse=True)}
        self._clicks = [
            (place, number, click)
            for place, kept in enumerate(frames)
            for number, click in asked.prompts_on(kept.index).items()
            if place < self._gone.get(number, len(frames))
        ]

    def phrase(self, prompt: int, shown: FrameExemplar | None) -> None:
        """Find a phrase's objects on every frame, then correct those that are clicked."""
        text, first, place = self._prompts.phrases[prompt], self._next, 0
        asked: dict[str, Any] = {"text": text}
        if shown is not None and shown.frame in self._places:
            place, (height, width) = self._places[shown.frame], self._size
            x0, y0, x1, y1 = shown.box
            asked["bounding_boxes"] = [[x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height]]
            asked["bounding_box_labels"] = [shown.label]
            if text == VISUAL:
                del asked["text"]
        found, last = self._begin(), len(self._frames) - 1
        with self._threshold(self._prompts.threshold(prompt)):
            answer = self._ask(place, **asked)
            # a session that has gone forward from the last frame takes the clip for done
            direction = "forward" if place == 0 else "backward" if place == last else "both"
            self._take(found, answer, first)
            self._propagate(found, place, first, direction)
        self._next = max((number for on_frame in found for number in on_frame), default=first - 1) + 1
        self._prompt_of.update(dict.fromkeys(range(first, self._next), prompt))
        self._correct(found, [each for each in self._clicks if first <= each[1] < self._next], first)

    def clicks(self) -> None:
        """Follow the clicked objects; ObjectUnknown for a click on what no phrase has found."""
        mine = [each for each in self._clicks if each[1] <= self._prompts.objects]
        for place, number, _ in self._clicks:
            if number >= self._next:
                raise ObjectUnknown(number, self._frames[place].index)
        if mine:
            # points are taken only after a pass over the clip: one that can find nothing
            with self._threshold(NEVER):
                self._ask(0, text=VISUAL)
                self._propagate([{} for _ in self._frames], 0, 0, "forward")
            self._correct(self._begin(), mine, 0)

    def results(self) -> list[FrameResult]:
        """What was found on each frame, without what was removed."""
        out = []
        for place, kept in enumerate(self._frames):
            found: Found = {}
            for each in self._passes:
                found |= each[place]
            objects = tuple(
                self._tracked(number, *found[number])
                for number in sorted(found)
                if place < self._gone.get(number, len(self._frames))
            )
            out.append(FrameResult(kept.index, kept.pts, objects))
        return out

    def _begin(self) -> list[Found]:
        found: list[Found] = [{} for _ in self._frames]
        self._passes.append(found)
        return found

    def _correct(
        self, found: list[Found], clicks: Sequence[tuple[int, int, VisualPrompt]], first: int
    ) -> None:
        """Answer clicks in the order of their frames, each followed to the end of the clip."""
        for place in sorted({each[0] for each in clicks}):
            for _, number, click in (each for each in clicks if each[0] == place):
                coordinates, marks = self._points(click)
                self._ask(place, points=coordinates, point_labels=marks, obj_id=number - first)
            self._propagate(found, place, first, "forward")

    def _points(self, click: VisualPrompt) -> tuple[list[list[float]], list[int]]:
        side = int(self._predictor.model.image_size)
        parsed = parse_prompt(click, self._size, is_correction=True)
        coordinates, marks = click_points(parsed.box, parsed.points, parsed.labels, self._size, side)
        return (coordinates[0, 0] / side).tolist(), marks[0, 0].tolist()

    def _ask(self, place: int, **asked: Any) -> Any:
        return self._predictor.handle_request(
            {"type": "add_prompt", "session_id": self._session, "frame_index": place, **asked}
        )

    def _propagate(self, found: list[Found], place: int, first: int, direction: str) -> None:
        """Fill in what Meta's session finds from a frame on; its ids begin at `first`."""
        request = {
            "type": "propagate_in_video",
            "session_id": self._session,
            "propagation_direction": direction,
            "start_frame_index": place,
        }
        for answer in self._predictor.handle_stream_request(request):
            self._take(found, answer, first)

    def _take(self, found: list[Found], answer: Any, first: int) -> None:
        out = answer["outputs"]
        rows = zip(out["out_obj_ids"], out["out_binary_masks"], out["out_probs"], strict=True)
        found[answer["frame_index"]] = {
            int(inner) + first: (np.ascontiguousarray(mask, np.bool_), float(score))
            for inner, mask, score in rows
            if np.any(mask)
        }

    def _tracked(self, number: int, mask: Mask, score: float) -> TrackedInstance:
        phrases = self._prompts.phrases
        prompt = self._prompt_of.get(number, len(phrases) + number - 1)
        label = phrases[prompt] if prompt < len(phrases) else None
        flags = truncation_flags(mask)
        return TrackedInstance(number, mask, bounding_box(mask), score, prompt, label, flags)

    @contextmanager
    def _threshold(self, value: float | None) -> Iterator[None]:
        """A track of this phrase starts at the value, and is confirmed from the model's own threshold on."""
        model = self._predictor.model
        before = model.score_threshold_detection, model.new_det_thresh
        if value is not None:
            first = value if value == NEVER else min(before[0], value)
            model.score_threshold_detection, model.new_det_thresh = first, value
        try:
            yield
        finally:
            model.score_threshold_detection, model.new_det_thresh = before
