"""Video sessions for annotation tools: collect prompts one by one, preview each, propagate all."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from maquette.contract.base import RequestModel, ResponseModel
from maquette.contract.formats import TrackOutput
from maquette.contract.jobs import Job
from maquette.contract.media import Sha256
from maquette.contract.prompts import FrameIndex, Phrases, Threshold, VideoPrompt
from maquette.contract.requests.common import Direction, EngineName, FrameLimit, JobId

SessionId = Annotated[str, Field(pattern=r"^ses_[0-9a-f]{28}$")]
SESSION_OBJECTS = 256
SESSION_PROMPTS = 1000


class OpenSession(RequestModel):
    """Open a session on an uploaded video."""

    video: Sha256
    """Hash of the upload."""
    engine: EngineName = "auto"
    """Engine to run, or auto for the best one available."""
    text: Phrases = []
    """Phrases, also several in one string, joined by commas; each names every instance of a concept."""
    threshold: Threshold | None = None
    """Lowest score of an instance that a phrase finds; null takes the engine's."""
    ttl_seconds: Annotated[int, Field(ge=60, le=604_800)] = 3600
    """Seconds after its last use at which the session ends."""


class Propagate(RequestModel):
    """Track a session's objects through the video.

    An object without a prompt on `start_frame` starts from its mask there in the session's last propagation.
    """

    direction: Direction = "forward"
    """From `start_frame` to the end (forward), to the first frame (backward), or both."""
    start_frame: FrameIndex | None = None
    """Frame where tracking starts; null is the first prompt's."""
    max_frames: FrameLimit | None = None
    """Maximum number of frames to track in each direction."""
    outputs: Annotated[list[TrackOutput], Field(max_length=3)] = []
    """Extra outputs: a video of the masks (overlay), a PNG of ids per frame, YouTube-VIS JSON."""
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 3600
    """Longest time the job may run, in seconds."""


class Session(ResponseModel):
    """A session; objects that phrases find have ids above 256."""

    id: SessionId
    video: Sha256
    engine: str
    text: list[str]
    threshold: float | None = None
    width: int
    height: int
    frames: int | None
    frame_rate: float | None
    prompts: list[VideoPrompt]
    """All prompts; one that started an object carries its id as `object`."""
    last_job: JobId | None = None
    """Id of the newest propagation."""
    created_at: datetime
    expires_at: datetime


class SessionAnswer(ResponseModel):
    """The answer to a new prompt."""

    session: Session
    object: int
    """Id of the prompt's object."""
    preview: Job | None = None
    """Segment job of the object's mask on the frame; null where the prompt removes the object, or has only
    points off it and no propagation has reached the frame yet."""
