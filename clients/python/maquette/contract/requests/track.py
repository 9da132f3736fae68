"""A track job: objects through a video."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.formats import TrackOutput
from maquette.contract.media import MediaRef
from maquette.contract.prompts import FrameIndex, VideoExemplar, VideoPrompt
from maquette.contract.requests.common import Direction, FrameLimit, PromptedJob
from maquette.contract.requests.regions import Region, list_prompt_regions, list_regions


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
    """Boxes that show what phrases mean, for engines with the capability `video_exemplars`."""
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
        known = self.highest_prompted_id()
        for index, prompt in enumerate(self.prompts):
            if prompt.object is not None and prompt.object > known and not self.text:
                raise ValueError(f"prompts[{index}] names object {prompt.object}: there are {known}")
        return self

    def highest_prompted_id(self) -> int:
        """Return the highest id of a prompted object; objects that phrases find get higher ones."""
        started = sum(prompt.object is None for prompt in self.prompts)
        return max(len(self.boxes) + len(self.points) + started, self.reserved_ids)

    def regions(self) -> Iterator[Region]:
        """Yield boxes, points, exemplars and prompts; frames of a video all have one size."""
        yield from super().regions()
        yield from list_regions("exemplars", (exemplar.box for exemplar in self.exemplars))
        yield from list_prompt_regions("prompts", self.prompts)
