"""The result of a scene job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.formats import ObjectOutput, SceneFormat
from maquette.contract.geometry import Box, CameraModel, Pose
from maquette.contract.results.common import GroundPlane, ObjectFailure, ScaleSource


class SceneNode(ResponseModel):
    """An object or a body of a scene."""

    name: str
    """Name of its node in the scene's GLB."""
    kind: Literal["object", "body"]
    label: str | None
    box: Box
    pose: Pose
    """Pose in the camera frame."""
    scale_source: ScaleSource
    confidence: float
    silhouette_iou: float | None
    extras: dict[ObjectOutput, str] = {}
    """Artefact name per requested extra output; of objects only."""
    flags: list[str] = []


class SceneResult(ResponseModel):
    """Objects and bodies of an image in one camera frame."""

    kind: Literal["scene"] = "scene"
    width: int
    height: int
    camera: CameraModel
    nodes: list[SceneNode]
    mesh: str | None
    """Name of the GLB artefact."""
    splat: str | None
    """Name of the splat artefact."""
    files: dict[SceneFormat, str] = {}
    """Artefact name per written format."""
    failures: list[ObjectFailure] = []
    ground: GroundPlane | None = None
    """The plane of the floor under the request's `ground`; null where it was not asked for. Its scale is that
    of the image's points, which people in the scene do not change."""
