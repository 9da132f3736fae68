"""Frames of a track job, with masks as arrays."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from maquette import rle
from maquette.contract import Rle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TrackedObject(BaseModel):
    """One object in one frame; `id` is its track's, `box` is xyxy in pixels."""

    id: int
    label: str | None
    box: tuple[float, float, float, float]
    score: float
    flags: list[str]
    rle: Rle = Field(alias="mask")

    @cached_property
    def mask(self) -> "NDArray[np.bool_]":
        """The mask, bool of shape (H, W)."""
        return rle.decode(self.rle)


class TrackedFrame(BaseModel):
    """A frame of the video: its index, its pts in units of the result's time base, and its objects."""

    index: int = Field(alias="frame")
    pts: int
    objects: list[TrackedObject]


def parse_frames(chunk: bytes) -> Iterator[TrackedFrame]:
    """Yield the frames of a `masks` artefact (JSON Lines)."""
    for line in chunk.splitlines():
        yield TrackedFrame.model_validate_json(line)
