"""A convert job: an asset in other formats."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.base import RequestModel
from maquette.contract.formats import AssetFormat
from maquette.contract.geometry import Intrinsics, RigidMotion
from maquette.contract.media import MediaRef
from maquette.contract.requests.common import JobBase

ViewSide = Annotated[int, Field(ge=1, le=4096)]


class SplatView(RequestModel):
    """A camera that looks at a splat, in the unit and the axes of its file."""

    width: ViewSide
    height: ViewSide
    camera: Intrinsics
    world_from_cam: RigidMotion
    """The camera's pose, OpenCV axes: x right, y down, z forward."""


class ConvertJob(JobBase):
    """A splat or a mesh in other formats."""

    kind: Literal["convert"] = "convert"
    asset: MediaRef
    """An upload, or the hash of an artefact of an earlier job."""
    formats: Annotated[list[AssetFormat], Field(min_length=1, max_length=11)]
    """Formats to write."""
    y_down: bool = False
    """Write PLY, SOG, `splat` and `ksplat` with the axes of 3DGS: y down, z forward."""
    views: Annotated[list[SplatView], Field(max_length=64)] = []
    """Render the splat for these cameras; meshes refuse."""
    anti_aliased: bool = False
    """Whether `views` show Gaussians smaller than a pixel with no more light than they have."""
    depth: bool = False
    """Whether to write a depth map per view: float32, z in the unit of the file, NaN where nothing is."""

    @model_validator(mode="after")
    def _check_views(self) -> "ConvertJob":
        if not self.views and (self.anti_aliased or self.depth):
            raise ValueError("'anti_aliased' and 'depth' are of 'views': give at least one")
        for index, view in enumerate(self.views):
            if why := view.camera.why_implausible(view.width, view.height):
                raise ValueError(f"views[{index}].camera: {why}")
        return self
