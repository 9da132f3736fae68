"""The result of a bodies job."""

from typing import Literal

from maquette.contract.base import ResponseModel
from maquette.contract.formats import BodyFormat
from maquette.contract.geometry import Box, CameraModel
from maquette.contract.results.common import ObjectFailure, ScaleSource


class Keypoint(ResponseModel):
    """A named joint."""

    name: str
    xy: tuple[float, float]
    """Position in pixels."""
    xyz: tuple[float, float, float]
    """Position in metres in the camera frame."""
    visibility: float
    """0 (hidden) to 1 (visible)."""


class ReconstructedBody(ResponseModel):
    """What is reported of every person, of one in an image and of one through a video."""

    camera: CameraModel
    parameters: dict[str, list[float]]
    """The body model's parameters by name."""
    height_m: float | None = None
    """Height of the body in metres, standing; null in results of earlier releases."""
    height_range_m: tuple[float, float] | None = None
    """Heights in metres that the person may have; null where the scale is metric. It is wide where only a
    prior gives the scale: one image cannot distinguish a child nearby from an adult far away."""
    scale_source: ScaleSource
    confidence: float
    reprojection_error_px: float
    """Mean distance of reprojected and detected keypoints in pixels."""
    flags: list[str] = []


class BodyResult(ReconstructedBody):
    """One person of an image."""

    index: int
    box: Box
    mesh: str | None
    """Name of the rigged GLB artefact."""
    files: dict[BodyFormat, str] = {}
    """Artefact name per written format."""
    keypoints: list[Keypoint]


class FrameSpan(ResponseModel):
    """Consecutive frames, first and last inclusive; seconds count from the video's first frame."""

    first_frame: int
    last_frame: int
    first_seconds: float
    last_seconds: float


class BodyTrack(ReconstructedBody):
    """One person through a video, with one shape."""

    id: int
    first_frame: int
    last_frame: int
    frames: int
    """Frames with a body of their own."""
    filled: int
    """Frames that were interpolated."""
    spans: list[FrameSpan]
    """Motion without gaps: each span is an animation of the GLB and a BVH file."""
    files: dict[BodyFormat, list[str]]
    """Artefact names per written format."""
    jitter_raw: float | None
    """As `jitter`, of the frames before smoothing."""
    jitter: float | None
    """Mean length of the joints' acceleration in m/s²; null under three frames."""


class BodiesResult(ResponseModel):
    """Bodies of an image, or tracks of a video."""

    kind: Literal["bodies"] = "bodies"
    width: int
    height: int
    bodies: list[BodyResult] = []
    """People of an image."""
    failures: list[ObjectFailure] = []
    tracks: list[BodyTrack] = []
    """People of a video."""
    frames: int | None = None
    """Number of frames of a video."""
    frame_rate: float | None = None
    space: Literal["camera", "world"] = "camera"
    """The frame that positions refer to."""
