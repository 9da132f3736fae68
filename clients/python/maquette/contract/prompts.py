"""How a request names objects: phrases, boxes, points, masks and exemplars."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from maquette.contract.base import RequestModel
from maquette.contract.geometry import Box, Point, Rle
from maquette.contract.media import MediaRef

Phrase = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


def split_phrases(value: Any) -> Any:
    """Split the phrases of a list at commas: ["person, car"] is ["person", "car"]."""
    if not isinstance(value, list | tuple) or not all(isinstance(phrase, str) for phrase in value):
        # wrong types are left to the validation
        return value
    phrases: list[str] = []
    for phrase in value:
        parts = [part.strip() for part in phrase.split(",") if part.strip()] if "," in phrase else []
        # commas alone are a phrase that no engine knows: nothing is dropped silently
        phrases += parts or [phrase]
    return phrases


Phrases = Annotated[list[Phrase], Field(max_length=64), BeforeValidator(split_phrases)]
RequiredPhrases = Annotated[list[Phrase], Field(min_length=1, max_length=64), BeforeValidator(split_phrases)]
Boxes = Annotated[list[Box], Field(max_length=256)]


def has_point_on_object(points: Iterable[Point]) -> bool:
    """Whether a point lies on the object: those off it alone name nothing."""
    return any(point.label == 1 for point in points)


def _check_names_object(points: list[Point]) -> list[Point]:
    if not has_point_on_object(points):
        raise ValueError("the points of an object need at least one on it (label 1)")
    return points


PointGroup = Annotated[list[Point], Field(max_length=64)]
PointGroups = Annotated[
    list[Annotated[list[Point], Field(min_length=1, max_length=64), AfterValidator(_check_names_object)]],
    Field(max_length=256),
]
Masks = Annotated[list[Rle], Field(max_length=256)]
Threshold = Annotated[float, Field(ge=0, le=1)]
FrameIndex = Annotated[int, Field(ge=0, lt=1_000_000)]
ObjectId = Annotated[int, Field(ge=1, le=100_000)]


class Exemplar(RequestModel):
    """A box around an example of a concept."""

    box: Box
    positive: bool = True
    """False for an example of what is not meant."""
    image: MediaRef | None = None
    """Another image that the box lies in, for engines that accept one."""


class ImagePhrases(RequestModel):
    """A further image of a batch, and what to find in it."""

    image: MediaRef
    text: Phrases = []
    """Phrases for this image; without any, those of the job."""
    thresholds: Annotated[list[Threshold | None], Field(max_length=64)] = []
    """One threshold per phrase of `text`; null takes the job's `threshold`."""

    @model_validator(mode="after")
    def _check_thresholds(self) -> "ImagePhrases":
        if self.thresholds and len(self.thresholds) != len(self.text):
            raise ValueError("'thresholds' needs one value (or null) for each phrase of 'text'")
        return self


class VideoExemplar(RequestModel):
    """A box on a frame of a video that shows what a phrase means."""

    frame: FrameIndex = 0
    """Index of the frame, from 0."""
    box: Box
    phrase: Annotated[int, Field(ge=0, lt=64)] = 0
    """Index of the phrase in `text`, split at commas; the phrase "visual" stands for the box alone."""
    positive: bool = True
    """False for an example of what the phrase does not mean."""


class ObjectPrompt(RequestModel):
    """One object: a box, points on (1) and off (0) it, a mask to start from, or several of these."""

    box: Box | None = None
    points: PointGroup = []
    """Points on the object (label 1) and off it (label 0)."""
    mask: Rle | None = None
    """A mask to start from."""

    @model_validator(mode="after")
    def _check_not_empty(self) -> "ObjectPrompt":
        if self._needs_shape() and self.box is None and not self.points and self.mask is None:
            raise ValueError("an object prompt needs 'box', 'points' or 'mask'")
        return self

    def _needs_shape(self) -> bool:
        return True

    def can_start_object(self) -> bool:
        """Whether the prompt names an object by itself: points off it alone only correct a known one."""
        return self.box is not None or self.mask is not None or has_point_on_object(self.points)

    @staticmethod
    def merge(prompts: Iterable["ObjectPrompt"]) -> "ObjectPrompt":
        """Merge prompts of one object: the last box, the last mask, and the last 64 of all points."""
        box, mask, points = None, None, []
        for prompt in prompts:
            box, mask = prompt.box or box, prompt.mask or mask
            points += prompt.points
        return ObjectPrompt(box=box, points=points[-64:], mask=mask)


class VideoPrompt(ObjectPrompt):
    """A prompt on one frame of a video; several prompts of one object on one frame are merged.

    With the id of an object that exists it corrects that object from this frame on: points correct the mask,
    a box or a mask replaces it.
    """

    frame: FrameIndex = 0
    """Index of the frame, from 0."""
    object: ObjectId | None = None
    """Id of the object to start or correct; null starts a new one."""
    remove: bool = False
    """End the object on this frame for good."""

    @model_validator(mode="after")
    def _check_removal(self) -> "VideoPrompt":
        if self.remove and self.object is None:
            raise ValueError("'remove' needs the id of an 'object'")
        if self.remove and (self.box or self.points or self.mask):
            raise ValueError("'remove' takes no 'box', 'points' or 'mask'")
        return self

    @model_validator(mode="after")
    def _check_starts_object(self) -> "VideoPrompt":
        if self.object is None and self.points and not (self.box or self.mask):
            _check_names_object(self.points)
        return self

    def _needs_shape(self) -> bool:
        return not self.remove
