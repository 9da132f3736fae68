"""A track job: objects through a video."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.formats import TrackOutput
from maquette.contract.media import MediaRef
from maquette.contract.prompts import FrameIndex, VideoExemplar, VideoPrompt
from maquette.contract.requests.common import Direction, FrameLimit, PromptedJob
from maquette.contract.requests.engine_options import (
    VIDEO_COUNTER_EXEMPLARS,
    VIDEO_EXEMPLAR_SETS,
    VIDEO_EXEMPLARS,
    VIDEO_MASKS,
    EngineOption,
)
from maquette.contract.requests.regions import (
    Misfit,
    Region,
    list_prompt_regions,
    list_regions,
    report_no_object,
)


class TrackJob(PromptedJob):
    """Objects tracked through a video.

    Ids start at 1: one per box, then per list of points, then per prompt without `object`. Prompts may choose
    further ids up to `reserved_ids`. Objects that phrases find get higher ids than all of these.
    """

    kind: Literal["track"] = "track"
    video: MediaRef
    """The video."""
    prompts: Annotated[list[VideoPrompt], Field(max_length=1000)] = []
    """Prompts on frames; each starts, corrects or ends one object."""
    exemplars: Annotated[list[VideoExemplar], Field(max_length=64)] = []
    """Boxes that show what phrases mean, and do not mean, for engines with the capability
    `video_exemplars`; several of one phrase and frame count together."""
    reserved_ids: Annotated[int, Field(ge=0, le=1000)] = 0
    """Highest object id that prompts may choose."""
    start_frame: FrameIndex | None = None
    """Frame of `boxes` and `points`, and where tracking starts; null is the lowest frame with a prompt
    (backward: the highest), or for phrases alone the first frame (backward: the last)."""
    direction: Direction = "forward"
    """From `start_frame` to the end (forward), to the first frame (backward), or both."""
    max_frames: FrameLimit | None = None
    """Maximum number of frames to track in each direction."""
    outputs: Annotated[list[TrackOutput], Field(max_length=3)] = []
    """Extra outputs: a video of the masks (overlay), a PNG of ids per frame, YouTube-VIS JSON."""

    @model_validator(mode="after")
    def _check_prompts(self) -> "TrackJob":
        starting = [prompt for prompt in self.prompts if not prompt.remove]
        if not (self.text or self.boxes or self.points or starting):
            raise ValueError(
                "give at least one of 'text', 'boxes', 'points' and 'prompts' that start an object"
            )
        for index, exemplar in enumerate(self.exemplars):
            if exemplar.phrase >= len(self.text):
                raise ValueError(
                    f"exemplars[{index}] names phrase {exemplar.phrase}: there are {len(self.text)}"
                )
        shown = {each.phrase for each in self.exemplars if each.positive}
        for index, exemplar in enumerate(self.exemplars):
            if self.text[exemplar.phrase] == "visual" and exemplar.phrase not in shown:
                raise ValueError(f"exemplars[{index}] shows only what 'visual' is not: give a positive box")
        known = self.highest_prompted_id()
        for index, prompt in enumerate(self.prompts):
            if prompt.object is not None and prompt.object > known and not self.text:
                raise ValueError(f"prompts[{index}] names object {prompt.object}: there are {known}")
        return self

    def engine_options(self) -> Iterator[EngineOption]:
        """Yield exemplars, several of a phrase or of what it does not mean, and masks as prompts."""
        if self.exemplars:
            yield VIDEO_EXEMPLARS
        if len({exemplar.phrase for exemplar in self.exemplars}) < len(self.exemplars):
            yield VIDEO_EXEMPLAR_SETS
        if not all(exemplar.positive for exemplar in self.exemplars):
            yield VIDEO_COUNTER_EXEMPLARS
        if any(prompt.mask is not None for prompt in self.prompts):
            yield VIDEO_MASKS

    def highest_prompted_id(self) -> int:
        """Return the highest id of a prompted object; objects that phrases find get higher ones."""
        started = sum(prompt.object is None for prompt in self.prompts)
        return max(len(self.boxes) + len(self.points) + started, self.reserved_ids)

    def number_prompts(self) -> Iterator[tuple[int, VideoPrompt]]:
        """Yield each of `prompts` with the id of its object."""
        started = len(self.boxes) + len(self.points)
        for prompt in self.prompts:
            if prompt.object is None:
                started += 1
            yield prompt.object or started, prompt

    def choose_start_frame(self) -> int | None:
        """Return the frame where tracking starts; None for the last one, whose index is not known yet."""
        if self.start_frame is not None:
            return self.start_frame
        backward = self.direction == "backward"
        frames = [prompt.frame for prompt in self.prompts]
        if not frames or self.boxes or self.points:
            return None if backward else 0
        return max(frames) if backward else min(frames)

    def find_unstartable(self) -> Misfit | None:
        """Return the first prompt that meets an object before any that starts it, on the way from the start.

        Objects that phrases find are not known yet: prompts may correct them.
        """
        return next((misfit for misfit in map(self._find_unstartable, self._passes()) if misfit), None)

    def _passes(self) -> list[Direction]:
        return ["backward", "forward"] if self.direction == "both" else [self.direction]

    def _find_unstartable(self, direction: Direction) -> Misfit | None:
        """Return the first prompt of one pass that meets an object before any that starts it."""
        backward, start = direction == "backward", self.choose_start_frame()
        started = range(1, len(self.boxes) + len(self.points) + 1)
        first: dict[int, list[tuple[int, VideoPrompt]]] = {}
        for index, (number, prompt) in enumerate(self.number_prompts()):
            is_reached = start is None or (prompt.frame <= start if backward else prompt.frame >= start)
            may_be_known = number in started or number > self.highest_prompted_id()
            if prompt.remove or may_be_known or not is_reached:
                continue
            earlier = first.get(number)
            if earlier and earlier[0][1].frame == prompt.frame:
                earlier.append((index, prompt))
            elif not earlier or (earlier[0][1].frame < prompt.frame) == backward:
                first[number] = [(index, prompt)]
        for number, prompts in first.items():
            if not any(prompt.can_start_object() for _, prompt in prompts):
                why = f", and no prompt that tracking meets before starts object {number}"
                return report_no_object(f"prompts[{prompts[0][0]}]", why)
        return None

    def regions(self) -> Iterator[Region]:
        """Yield boxes, points, exemplars and prompts; frames of a video all have one size."""
        yield from super().regions()
        yield from list_regions("exemplars", (exemplar.box for exemplar in self.exemplars))
        yield from list_prompt_regions("prompts", self.prompts)
