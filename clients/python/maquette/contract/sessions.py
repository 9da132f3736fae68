"""Video sessions for annotation tools: prompts that are gathered one by one, shown, and propagated."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from maquette.contract.base import RequestModel, ResponseModel
from maquette.contract.formats import TrackOutput
from maquette.contract.jobs import Job
from maquette.contract.media import Sha256
from maquette.contract.prompts import FrameIndex, Phrases, Threshold, VideoPrompt
from maquette.contract.requests.common import Direction, EngineName, JobId

SessionId = Annotated[str, Field(pattern=r"^ses_[0-9a-f]{28}$")]
SESSION_OBJECTS = 256
SESSION_PROMPTS = 1000


class OpenSession(RequestModel):
    """A session on an uploaded video; it ends `ttl_seconds` after it was last used."""

    video: Sha256
    engine: EngineName = "auto"
    text: Phrases = []
    threshold: Threshold | None = None
    ttl_seconds: Annotated[int, Field(ge=60, le=604_800)] = 3600


class Propagate(RequestModel):
    """Follow a session's objects from `start_frame`, by default from the first prompt's frame.

    Objects that were prompted on other frames alone start from the mask that the session's last propagation
    has of them on that frame.
    """

    direction: Direction = "forward"
    start_frame: FrameIndex | None = None
    max_frames: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    outputs: Annotated[list[TrackOutput], Field(max_length=3)] = []
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 3600


class Session(ResponseModel):
    """A session; each prompt that started an object carries the id it got as `object`.

    `last_job` is the newest propagation. What phrases find has ids above 256.
    """

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
    last_job: JobId | None = None
    created_at: datetime
    expires_at: datetime


class SessionAnswer(ResponseModel):
    """The session with the new prompt, the id of its object, and the job that shows its mask on the frame."""

    session: Session
    object: int
    preview: Job | None = None
