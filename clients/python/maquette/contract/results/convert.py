"""The result of a convert job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.formats import AssetFormat, AssetPart


class RenderedView(ResponseModel):
    """A splat as one camera sees it."""

    image: str
    """Artefact name of an RGBA PNG; colours are not multiplied by alpha."""
    depth: str | None = None
    """Artefact name of the depth map (H, W), a NumPy file; null unless requested."""


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
    views: list[RenderedView] = []
    """The views that were asked for, in their order."""
