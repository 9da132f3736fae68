"""A convert job: an asset in other formats."""

from typing import Annotated, Literal

from pydantic import Field

from maquette.contract.formats import AssetFormat
from maquette.contract.media import MediaRef
from maquette.contract.requests.common import JobBase


class ConvertJob(JobBase):
    """A splat or a mesh in other formats."""

    kind: Literal["convert"] = "convert"
    asset: MediaRef
    """An upload, or the hash of an artefact of an earlier job."""
    formats: Annotated[list[AssetFormat], Field(min_length=1, max_length=11)]
    """Formats to write."""
    y_down: bool = False
    """Write PLY, SOG, `splat` and `ksplat` with the axes of 3DGS: y down, z forward."""
