"""One clip in one session of Meta's video predictor, pass by pass.

Each phrase is a pass of its own, because a text prompt starts Meta's session anew; then points correct what
the pass has found. The objects of visual prompts are one further pass. Frames are counted as they come, and
the results of the last pass are handed out while it runs.
"""

from bisect import bisect_right
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from maquette.contract import Problem

from workers.engines.concepts.prompt_schedule import PromptSchedule
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels
from workers.engines.concepts.sam3.meta_backend.sessions import count_offloaded_bytes, offload_masks
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
    """One clip in one of Meta's sessions: the masks of each pass, by the frames' places in the clip.

    Passes are generators, which say after each step how many frames from the clip's start are final in them.
    """

    def __init__(
        self,
        models: MetaModels,
        session: str,
        size: tuple[int, int],
        frames: Sequence[FramePosition],
        schedule: PromptSchedule,
        prompts: TrackPrompts,
    ) -> None:
        """`size` is (height, width) in pixels; the settings of `models` limit the bytes of the masks held."""
        self._models, self._session, self._size = models, session, size
        self._free_bytes = models.settings.mask_bytes
        self._frames, self._prompts = frames, prompts
        self._places = {frame.index: place for place, frame in enumerate(frames)}
        self._passes: list[list[FrameMasks]] = []
        # the first id of each phrase whose pass has begun
        self._first_ids: list[int] = []
        # ids below it are those of visual prompts, or found by a phrase
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

    def track(self, exemplars: Mapping[int, FrameExemplar]) -> Generator[FrameResult, None, None]:
        """All passes; the result of each frame, in their order, as soon as no pass can change it any more.

        `exemplars` are by phrase. Raises ObjectUnknown for a prompt for what no phrase has found, and
        RequestRefused (`video_too_long`) when the masks that are held take too many bytes.
        """
        count = len(self._prompts.phrases)
        passes = [self._track_phrase(prompt, exemplars.get(prompt)) for prompt in range(count)]
        if any(number <= self._prompts.objects for _, number, _ in self._placed):
            passes.append(self._track_visual_prompts())
        elif not passes:
            self._check_objects()
        handed_out = 0
        for number, each in enumerate(passes, start=1):
            for final in each:
                while number == len(passes) and handed_out < final:
                    yield self._take_result(handed_out)
                    handed_out += 1
        for place in range(handed_out, len(self._frames)):
            yield self._take_result(place)

    def _track_phrase(self, prompt: int, exemplar: FrameExemplar | None) -> Iterator[int]:
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
        self._first_ids.append(first)
        masks, last = self._begin_pass(), len(self._frames) - 1
        threshold = self._prompts.threshold(prompt)
        # a session that has gone forward from the last frame considers the clip done
        direction = "forward" if place == 0 else "backward" if place == last else "both"
        self._store(masks, self._add_prompt(place, threshold, **request), first)
        # its objects are known at the end of the pass: until then any later id may be theirs
        unchanged = min((each[0] for each in self._placed if each[1] >= first), default=len(self._frames))
        noted = 0
        for final in self._propagate(masks, place, first, direction, threshold):
            self._note_ids(masks[noted : min(final, unchanged)])
            noted = min(final, unchanged)
            yield noted
        self._note_ids(masks[noted:])
        if prompt == len(self._prompts.phrases) - 1:
            self._check_objects()
        own = [each for each in self._placed if first <= each[1] < self._next_id]
        yield from self._correct(masks, own, first)

    def _track_visual_prompts(self) -> Iterator[int]:
        """Track the objects of visual prompts."""
        if not self._prompts.phrases:
            self._check_objects()
        # points are accepted only after a pass over the clip: one that can find nothing
        self._add_prompt(0, UNREACHABLE_SCORE, text=VISUAL_PHRASE)
        for _ in self._propagate([{} for _ in self._frames], 0, 0, "forward", UNREACHABLE_SCORE):
            pass
        own = [each for each in self._placed if each[1] <= self._prompts.objects]
        yield from self._correct(self._begin_pass(), own, 0)

    def _note_ids(self, masks: Sequence[FrameMasks]) -> None:
        """Count the ids on frames as a phrase's own pass left them."""
        highest = max((number for on_frame in masks for number in on_frame), default=0)
        self._next_id = max(self._next_id, highest + 1)

    def _check_objects(self) -> None:
        """Raise ObjectUnknown for a prompt for what no phrase has found, once all of them were looked for."""
        for place, number, _ in self._placed:
            if number >= self._next_id:
                raise ObjectUnknown(number, self._frames[place].index)

    def _take_result(self, place: int) -> FrameResult:
        """The objects of a frame without those that were removed; its masks are held no longer."""
        masks: FrameMasks = {}
        for each in self._passes:
            masks |= each[place]
            self._free_bytes += _count_bytes(each[place])
            each[place] = {}
        objects = tuple(
            self._to_instance(number, *masks[number])
            for number in sorted(masks)
            if place < self._removed_at.get(number, len(self._frames))
        )
        return FrameResult(self._frames[place].index, self._frames[place].pts, objects)

    def _begin_pass(self) -> list[FrameMasks]:
        masks: list[FrameMasks] = [{} for _ in self._frames]
        self._passes.append(masks)
        return masks

    def _correct(self, masks: list[FrameMasks], placed: Sequence[PlacedPrompt], first: int) -> Iterator[int]:
        """Apply prompts in the order of their frames, each propagated to the end of the clip."""
        places = sorted({each[0] for each in placed})
        # a later prompt replaces what an earlier one gave from its own frame on
        for place, unchanged in pairwise([*places, len(self._frames)]):
            for _, number, prompt in (each for each in placed if each[0] == place):
                coordinates, labels = self._to_points(prompt)
                self._add_prompt(place, points=coordinates, point_labels=labels, obj_id=number - first)
            for final in self._propagate(masks, place, first, "forward"):
                yield min(final, unchanged)

    def _to_points(self, prompt: VisualPrompt) -> tuple[list[list[float]], list[int]]:
        """A prompt's points and box corners as shares of the image, and their labels."""
        side = int(self._models.predictor.model.image_size)
        parsed = parse_prompt(prompt, self._size, is_correction=True)
        coordinates, labels = to_point_tokens(parsed.box, parsed.points, parsed.labels, self._size, side)
        return (coordinates[0, 0] / side).tolist(), labels[0, 0].tolist()

    def _add_prompt(self, place: int, threshold: float | None = None, **request: Any) -> Any:
        with self._predictor(threshold) as predictor:
            answer = predictor.handle_request(
                {"type": "add_prompt", "session_id": self._session, "frame_index": place, **request}
            )
            offload_masks(predictor, self._session, place)
        return answer

    def _propagate(
        self,
        masks: list[FrameMasks],
        place: int,
        first: int,
        direction: str,
        threshold: float | None = None,
    ) -> Iterator[int]:
        """Store what Meta's session finds from a frame on; its ids begin at `first`.

        After each frame comes the number of frames from the clip's start that this pass changes no more.
        Meta's session gives a frame only after its `hotstart_delay`, when its objects are confirmed.
        """
        request = {
            "type": "propagate_in_video",
            "session_id": self._session,
            "propagation_direction": direction,
            "start_frame_index": place,
        }
        stored: set[int] = set()
        final = place if direction == "forward" else 0
        with self._predictor(threshold) as predictor:
            answers = predictor.handle_stream_request(request)
        with closing(answers):
            while True:
                # the model is shared: it has this pass's threshold only while it works for it
                with self._predictor(threshold):
                    answer = next(answers, None)
                    if answer is None:
                        return
                    offload_masks(predictor, self._session, answer["frame_index"])
                self._store(masks, answer, first)
                stored.add(answer["frame_index"])
                while final in stored:
                    final += 1
                yield final

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
        if self._free_bytes < count_offloaded_bytes(self._models.predictor, self._session):
            gib = self._models.settings.mask_bytes / 2**30
            detail = (
                f"the masks of this video that Meta's package and its last pass need take more than "
                f"{gib:.3g} GiB: track fewer objects, a smaller or a shorter video, or use the other backend"
            )
            raise RequestRefused(Problem.from_code("video_too_long", 422, detail))

    def _to_instance(self, number: int, mask: Mask, score: float) -> TrackedInstance:
        phrases, objects = self._prompts.phrases, self._prompts.objects
        # phrases that found nothing share their first id with the next one
        found = bisect_right(self._first_ids, number) - 1
        prompt = found if number > objects else len(phrases) + number - 1
        label = phrases[prompt] if prompt < len(phrases) else None
        return TrackedInstance(
            mask, bounding_box(mask), score, prompt, label, truncation_flags(mask), id=number
        )

    @contextmanager
    def _predictor(self, threshold: float | None) -> Iterator[Any]:
        """Meta's predictor on its device; tracks start from the threshold on, if there is one.

        The model's own threshold still confirms them.
        """
        predictor = self._models.predictor
        model = predictor.model
        default = model.score_threshold_detection, model.new_det_thresh
        if threshold is not None:
            detection = threshold if threshold == UNREACHABLE_SCORE else min(default[0], threshold)
            model.score_threshold_detection, model.new_det_thresh = detection, threshold
        try:
            with self._models.on_device():
                yield predictor
        finally:
            model.score_threshold_detection, model.new_det_thresh = default


def _count_bytes(masks: FrameMasks) -> int:
    return sum(mask.nbytes for mask, _ in masks.values())
