"""The manifest: a typed result, its artefacts, and how they came about."""

from typing import Annotated, Any

from pydantic import Field

from maquette.contract.base import ResponseModel
from maquette.contract.media import Sha256
from maquette.contract.results.bodies import BodiesResult
from maquette.contract.results.common import Artefact
from maquette.contract.results.convert import ConvertResult
from maquette.contract.results.dataset import DatasetResult
from maquette.contract.results.objects import ObjectsResult
from maquette.contract.results.scene import SceneResult
from maquette.contract.results.segment import SegmentResult
from maquette.contract.results.track import TrackResult

AnyResult = Annotated[
    SegmentResult | TrackResult | ObjectsResult | BodiesResult | SceneResult | ConvertResult | DatasetResult,
    Field(discriminator="kind"),
]


class EngineUsed(ResponseModel):
    """An engine that contributed to a result."""

    kind: str
    name: str
    version: str
    device: str
    weights: dict[str, str] = {}
    """SHA-256 of each weights file by name."""


class Provenance(ResponseModel):
    """Enough to reproduce the result."""

    code_version: str
    engines: list[EngineUsed]
    seed: int
    parameters: dict[str, Any]
    sources: list[Sha256]
    """Hashes of the input media."""
    from_job: str | None = None
    """Id of the job that the request continued."""


class Manifest(ResponseModel):
    """The result of a job."""

    result: AnyResult
    artefacts: list[Artefact]
    provenance: Provenance
    flags: list[str] = []
    """Machine-readable warnings about the result."""
    reason: str | None = None
    """Why the result is empty; null otherwise."""
