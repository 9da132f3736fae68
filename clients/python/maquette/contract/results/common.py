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


class GroundPlane(ResponseModel):
    """The plane of the floor: points x in the camera frame with normal . x + offset = 0."""

    normal: tuple[float, float, float]
    """Unit vector towards the side of the camera (x right, y down, z forward)."""
    offset: float
    """Distance of the camera from the plane, in units of the image's points: `scale_source` says which."""
    scale_source: ScaleSource
    """Metric where a depth map was given: `offset` is in metres. Relative otherwise: its unit is that of the
    objects' poses and of the output `pointmap`, and no scale is known."""
    inlier_share: float
    """Share of the known points under the mask that lie on the plane, to 0.02 units."""
    flags: list[str] = []
    """`depth_unit_assumed`: the depth map came without its unit, so the metres are in doubt."""


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
