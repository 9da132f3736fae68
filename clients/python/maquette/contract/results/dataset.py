"""The result of a dataset job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.datasets import FunnelStep, RegateChanges
from maquette.contract.media import Sha256


class DatasetResult(ResponseModel):
    """A dataset version; counts are of what was kept."""

    kind: Literal["dataset"] = "dataset"
    version: Sha256
    """Hash of the version's manifest artefact."""
    clips: int
    frames: int
    tracks: int
    observations: int
    rejected: dict[str, int]
    """Rejected clips and tracks by gate."""
    seconds: float = 0.0
    """Video time of the kept clips."""
    assets: int = 0
    """Objects lifted to meshes and splats."""
    splits: dict[str, int] = {}
    """Clips per split."""
    funnel: list[FunnelStep] = []
    """What each stage received and kept."""
    signed: bool = False
    """Whether the manifest is signed."""
    published: str | None = None
    """Address in a bucket that the version was written to."""
    unreadable: dict[str, str] = {}
    """Code of the reason for each video that cannot be read and was left out."""
    failed: dict[str, str] = {}
    """Code and detail for each clip that could not be processed."""
    regated: RegateChanges | None = None
    """With `from_job`: what came and went."""
