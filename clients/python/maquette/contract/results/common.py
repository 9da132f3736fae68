"""What several kinds of result share."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.media import Sha256

ScaleSource = Literal["metric", "prior", "relative"]


class Artefact(ResponseModel):
    """A file of a result; its bytes are at `GET /v1/artefacts/{sha256}`."""

    name: str
    role: str
    """What the file is for: mesh, splat, masks, preview, ..."""
    sha256: Sha256
    media_type: str
    bytes: int


class PromptRef(ResponseModel):
    """The prompt that named an object: a list of the request and an index in it."""

    kind: Literal["text", "box", "points", "mask", "job", "exemplars", "prompt"]
    index: int


class ObjectFailure(ResponseModel):
    """An object that could not be reconstructed; the others are kept."""

    index: int
    label: str | None
    code: str
    """Stable code of the reason."""
    detail: str
