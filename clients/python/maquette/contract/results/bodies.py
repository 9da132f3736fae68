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


class Gravity(ResponseModel):
    """Which way is down."""

    direction: tuple[float, float, float]
    """Unit vector in the camera frame (x right, y down, z forward)."""
    source: Literal["given", "exif", "people", "assumed"]
    """Given by the request, read from EXIF, estimated from the people, or assumed: a level camera."""


BodyPart = Literal["left_arm", "right_arm", "left_leg", "right_leg", "trunk"]
HandState = Literal["open", "relaxed", "fist"]


class FloorPlane(ResponseModel):
    """The plane that people stand on: points x in the camera frame with normal . x + offset_m = 0."""

    normal: tuple[float, float, float]
    """Unit vector that points up."""
    offset_m: float
    """Height of the camera above the floor in metres."""
    feet: int | None = None
    """Number of feet that touch it; null where that is unknown."""
    people: int
    """Number of people who stand on it."""


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
    grounded: bool | None = None
    """Whether the person stands on the floor; false: the person sits, jumps or stands elsewhere; null where
    that is unknown."""
    ambiguous_limbs: list[BodyPart] = []
    """Limbs whose depth the image leaves open: they may as well point the other way."""
    hand_left: HandState | None = None
    """Whether the left hand is open, relaxed or a fist; null where it is not seen well enough."""
    hand_right: HandState | None = None
    """As `hand_left`, of the right hand."""
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
    grounded: bool | None = None
    """Whether the person is on the floor of the video, and not on a step or a bench; null where that is
    unknown."""
    steps: int | None = None
    """How often a foot comes to stand on the floor; null where feet or floor are unknown."""


class BodiesResult(ResponseModel):
    """Bodies of an image, or tracks of a video."""

    kind: Literal["bodies"] = "bodies"
    width: int
    height: int
    bodies: list[BodyResult] = []
    """People of an image."""
    floor: FloorPlane | None = None
    """The floor of an image, or of a video in the frame `space`; null where no feet show it, and for a video
    whose camera moves in an unknown way."""
    gravity: Gravity | None = None
    """Which way is down in the frame of `floor`; null where that is unknown."""
    world_from_cam: list[list[float]] | None = None
    """Pose (4x4, in metres) of a video's camera that stands still, in a world with y up and its origin on the
    floor below the camera; null where the camera moves, or no floor is known."""
    failures: list[ObjectFailure] = []
    tracks: list[BodyTrack] = []
    """People of a video."""
    frames: int | None = None
    """Number of frames of a video."""
    frame_rate: float | None = None
    space: Literal["camera", "world"] = "camera"
    """The frame that positions refer to."""
