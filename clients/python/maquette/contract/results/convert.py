"""The result of a convert job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.formats import AssetFormat, AssetPart


class ConvertResult(ResponseModel):
    """An asset in other formats."""

    kind: Literal["convert"] = "convert"
    asset: Literal["splat", "mesh"]
    """What the asset is."""
    source: AssetFormat
    """The format that it had."""
    files: dict[AssetFormat, str]
    """Artefact name per requested format."""
    dropped: dict[AssetFormat, dict[AssetPart, int]] = {}
    """What the asset has and a file has not, with counts; each kind is also a flag, as `lines_dropped`."""
