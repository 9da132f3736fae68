"""The result of a track job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.results.common import PromptRef


class Track(ResponseModel):
    """One object through a video; frames are indices of the decoded video."""

    id: int
    label: str | None
    prompt: PromptRef
    first_frame: int
    last_frame: int
    """Last frame with the object, inclusive."""
    frames: int
    """Number of frames with a mask."""
    mean_score: float | None
    flags: list[str] = []


class MaskChunk(ResponseModel):
    """A `masks` artefact and its frames, first and last inclusive."""

    name: str
    first_frame: int
    last_frame: int


class TrackResult(ResponseModel):
    """Tracks of a video; the masks are lines of the `masks` artefacts (JSON Lines, COCO RLE).

    Lines are in ascending order of frames, whatever the direction.
    """

    kind: Literal["track"] = "track"
    width: int
    height: int
    frames: int
    """Number of frames with a line."""
    chunks: list[MaskChunk] = []
    """The `masks` artefacts in order."""
    frame_rate: float | None
    time_base: tuple[int, int]
    """Numerator and denominator of the unit of pts, in seconds."""
    tracks: list[Track]
