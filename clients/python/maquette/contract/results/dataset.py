"""The result of a dataset job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.datasets import FunnelStep, RegateChanges
from maquette.contract.media import Sha256


class ExportedFormat(ResponseModel):
    """A format that workers exported a version to."""

    format: str
    file: str | None
    """Name of the artefact: a TAR archive of the format's files; null where the format was refused."""
    files: int = 0
    left_out: dict[str, int] = {}
    """How often each reason left something out; `maquette.json` of the archive names the clips."""
    refused: str | None = None
    """Code and detail of why the version cannot be exported so; the result is flagged `export_refused`."""


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
    frame_rates: dict[str, int] = {}
    """Clips by their exact frame rate, as `30000/1001`, or `variable`; several are flagged
    `mixed_frame_rates`."""
    exports: list[ExportedFormat] = []
    """Formats that the version was exported to."""
    regated: RegateChanges | None = None
    """With `from_job`: what came and went."""
