"""How a request names objects: phrases, boxes, points, masks, and things that are shown."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, model_validator

from maquette.contract.base import RequestModel
from maquette.contract.geometry import Box, Point, Rle
from maquette.contract.media import MediaRef

Phrase = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Phrases = Annotated[list[Phrase], Field(max_length=64)]
Boxes = Annotated[list[Box], Field(max_length=256)]
PointGroup = Annotated[list[Point], Field(max_length=64)]
PointGroups = Annotated[
    list[Annotated[list[Point], Field(min_length=1, max_length=64)]], Field(max_length=256)
]
Masks = Annotated[list[Rle], Field(max_length=256)]
Threshold = Annotated[float, Field(ge=0, le=1)]
FrameIndex = Annotated[int, Field(ge=0, lt=1_000_000)]
ObjectId = Annotated[int, Field(ge=1, le=100_000)]


class Exemplar(RequestModel):
    """A box around a thing that is meant, or (positive = false) around one that is not.

    `image` names another picture that the box lies in, for engines that can learn from one.
    """

    box: Box
    positive: bool = True
    image: MediaRef | None = None


class VideoExemplar(RequestModel):
    """A box on a frame of a video that shows what a phrase means; the phrase "visual" has no words."""

    frame: FrameIndex = 0
    box: Box
    phrase: Annotated[int, Field(ge=0, lt=64)] = 0


class ObjectPrompt(RequestModel):
    """One object: a box, points on (1) and off (0) it, a mask to start from, or several of these."""

    box: Box | None = None
    points: PointGroup = []
    mask: Rle | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "ObjectPrompt":
        if self._needed() and self.box is None and not self.points and self.mask is None:
            raise ValueError("an object prompt needs 'box', 'points' or 'mask'")
        return self

    def _needed(self) -> bool:
        return True

    @staticmethod
    def merge(prompts: Iterable["ObjectPrompt"]) -> "ObjectPrompt":
        """Several prompts of one object as one: the last box, the last mask, and all points."""
        box, mask, points = None, None, []
        for prompt in prompts:
            box, mask = prompt.box or box, prompt.mask or mask
            points += prompt.points
        return ObjectPrompt(box=box, points=points[-64:], mask=mask)


class VideoPrompt(ObjectPrompt):
    """A prompt on one frame of a video.

    Without `object` it starts a new one. With the id of an object it starts that one, where nothing has yet,
    or mends it from this frame on: points correct its mask, a box or a mask replaces it, and `remove` ends it
    for good. Several prompts of one object on one frame count together.
    """

    frame: FrameIndex = 0
    object: ObjectId | None = None
    remove: bool = False

    @model_validator(mode="after")
    def _removes_one(self) -> "VideoPrompt":
        if self.remove and self.object is None:
            raise ValueError("'remove' needs the id of an 'object'")
        if self.remove and (self.box or self.points or self.mask):
            raise ValueError("'remove' takes no 'box', 'points' or 'mask'")
        return self

    def _needed(self) -> bool:
        return not self.remove
