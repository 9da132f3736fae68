"""Links to single artefacts, for viewers and browsers that have no key."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from maquette.contract.base import RequestModel, ResponseModel


class MakeLink(RequestModel):
    """Make a link to an artefact."""

    expires_seconds: Annotated[int, Field(ge=1, le=7 * 86_400)] = 3600
    """After how many seconds the link expires; it ends sooner when its key is revoked."""


class ArtefactLink(ResponseModel):
    """A link by which anybody can read one artefact until it expires."""

    path: str
    """Path and query, to be put behind the address of the service."""
    expires_at: datetime
