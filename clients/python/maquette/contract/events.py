"""What GET /v1/jobs/{id}/events streams."""

from datetime import datetime
from typing import Any, Literal

from maquette.contract.base import ResponseModel


class JobEvent(ResponseModel):
    """One step of a job; `seq` is the SSE id to send back as Last-Event-ID.

    `data` of an `artefact` event is an Artefact that is ready before the job is over, told once.
    """

    seq: int
    type: Literal["state", "progress", "artefact"]
    at: datetime
    data: dict[str, Any]
