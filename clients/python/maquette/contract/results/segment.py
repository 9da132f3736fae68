"""The result of a segment job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.geometry import Box, Rle
from maquette.contract.results.common import PromptRef

Side = Literal["left", "top", "right", "bottom"]


class Instance(ResponseModel):
    """One object in an image."""

    index: int
    label: str | None
    score: float | None
    box: Box
    area: int
    """Number of pixels of the mask."""
    mask: Rle
    prompt: PromptRef
    stability: float | None = None
    """IoU of the masks at a higher and a lower threshold, 0 to 1; null where the engine has none."""
    borders: list[Side] = []
    """Sides of the image that the mask touches."""
    polygons: list[list[float]] | None = None
    """Rings x0, y0, x1, y1, ... in pixels, outer ones and holes, to be filled by the even-odd rule; null
    unless requested."""
    flags: list[str] = []


class ImageInstances(ResponseModel):
    """Instances of a further image of a batch."""

    index: int
    """Index of the image in `images` of the request."""
    width: int
    height: int
    instances: list[Instance]
    """All instances, in the order of the phrases."""


class SegmentResult(ResponseModel):
    """Instances of an image."""

    kind: Literal["segment"] = "segment"
    width: int
    height: int
    frame: int | None = None
    """Index of the frame when the image came from a video."""
    instances: list[Instance]
    """All instances, in the order of the prompts."""
    semantic: list[str] = []
    """Artefact name of the semantic map of each phrase, where it was asked for: how likely each pixel belongs
    to the concept, 0 to 255 for 0 to 1."""
    images: list[ImageInstances] = []
    """The further images of the request, in its order; jobs that continue this one read `instances` alone."""
