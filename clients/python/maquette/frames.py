"""Frames of a track job as users meet them."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from maquette import rle
from maquette.contract import Artefact, Job, Rle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TrackedObject(BaseModel):
    """One object in one frame: `box` is xyxy pixels, `id` its track's."""

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
    """A frame of the video: its index, its pts in ticks of the result's time base, and what is in it."""

    index: int = Field(alias="frame")
    pts: int
    objects: list[TrackedObject]


def frames_of(chunk: bytes) -> Iterator[TrackedFrame]:
    """The frames of a `masks` artefact (JSON Lines)."""
    for line in chunk.splitlines():
        yield TrackedFrame.model_validate_json(line)


def left_of(job: Job, told: set[str]) -> list[Artefact]:
    """The `masks` artefacts of a succeeded job that no event has told of."""
    made = [] if job.result is None else job.result.artefacts
    return [artefact for artefact in made if artefact.role == "masks" and artefact.name not in told]
