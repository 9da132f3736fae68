"""The events of `GET /v1/jobs/{id}/events`."""

from datetime import datetime
from typing import Any, Literal

from maquette.contract.base import ResponseModel


class JobEvent(ResponseModel):
    """One entry of a job's history."""

    seq: int
    """The SSE id, to be sent back as Last-Event-ID."""
    type: Literal["state", "progress", "artefact"]
    """An `artefact` event announces, once, an artefact that is ready before the job is."""
    at: datetime
    data: dict[str, Any]
    """The new state, a Progress, or an Artefact."""
