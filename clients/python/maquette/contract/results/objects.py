"""The result of an objects job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.formats import ObjectFormat, ObjectOutput
from maquette.contract.geometry import Box, CameraModel, Pose, Rle
from maquette.contract.results.common import GroundPlane, ObjectFailure, ScaleSource


class ObjectViews(ResponseModel):
    """What the views of a multi-view reconstruction show of the object."""

    arc_degrees: float
    """Angle that the views span around the object."""
    given: int
    """Frames with a mask of the object."""
    used: int
    """Frames that were used."""
    cut: int
    """Used frames in which the border of the image cuts the object."""
    seen_share: float
    """Share of the surface that at least one view sees."""
    reference: int
    """Index of the frame whose camera the pose refers to."""
    track: int
    """Id of the object's track."""
    refined_gain_db: float | None = None
    """PSNR that refining the splat gained on held-out frames; null where it was not refined."""
    carved_gain_db: float | None = None
    """PSNR that carving by colour gained on held-out frames; null where carving was not kept."""


class ObjectResult(ResponseModel):
    """One object in 3D; mesh and splat are in the canonical frame, which `pose` maps to the camera."""

    index: int
    label: str | None
    score: float | None
    box: Box
    mask: Rle
    mesh: str
    """Name of the mesh artefact."""
    splat: str
    """Name of the splat artefact."""
    files: dict[ObjectFormat, str] = {}
    """Artefact name per written format, mesh and splat among them."""
    extras: dict[ObjectOutput, str] = {}
    """Artefact name per requested extra output."""
    pose: Pose
    camera: CameraModel
    scale_source: ScaleSource
    confidence: float
    silhouette_iou: float | None
    """Mask IoU of the posed mesh and the object's mask; null where it was not measured."""
    vertices: int
    faces: int
    gaussians: int
    views: ObjectViews | None = None
    """Only of multi-view reconstructions."""
    flags: list[str] = []


class ObjectsResult(ResponseModel):
    """Objects of an image or a video."""

    kind: Literal["objects"] = "objects"
    width: int
    height: int
    objects: list[ObjectResult]
    failures: list[ObjectFailure] = []
    ground: GroundPlane | None = None
    """The plane of the floor under the request's `ground`; null where it was not asked for."""
