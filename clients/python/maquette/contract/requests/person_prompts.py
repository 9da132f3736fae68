"""What a user knows of a person whose body is recovered: named key points and the boxes of the hands."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.base import RequestModel
from maquette.contract.geometry import Box, Finite, Point
from maquette.contract.requests.regions import Region

HandChoice = Literal["both", "left", "right", "none"]
WristAngle = Annotated[float, Field(ge=0, le=3.1416)]


class KeypointPrompt(RequestModel):
    """Where a key point of a person is in the image."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    """The engine's name of the key point, such as left_wrist."""
    x: Finite
    y: Finite


class PersonPrompt(RequestModel):
    """Key points and hands of one person; left and right are the person's own."""

    keypoints: Annotated[list[KeypointPrompt], Field(max_length=70)] = []
    """Key points, each name once."""
    left_hand: Box | None = None
    """Box around the left hand, which takes the place of the engine's."""
    right_hand: Box | None = None
    """Box around the right hand."""

    @model_validator(mode="after")
    def _check_names(self) -> "PersonPrompt":
        names = [keypoint.name for keypoint in self.keypoints]
        if len(set(names)) < len(names):
            raise ValueError("'keypoints' name a key point twice")
        return self

    def regions(self, field: str) -> Iterator[Region]:
        """Yield the key points and the hands, each under its own name."""
        for keypoint in self.keypoints:
            yield Region(f"{field}.{keypoint.name}", [Point(x=keypoint.x, y=keypoint.y)])
        for name, hand in (("left_hand", self.left_hand), ("right_hand", self.right_hand)):
            if hand is not None:
                yield Region(f"{field}.{name}", hand)
