"""What a job makes: a manifest with typed results, artefacts and where they come from."""

from typing import Annotated, Any, Literal

from pydantic import Field

from maquette.contract.base import ResponseModel
from maquette.contract.datasets import FunnelStep
from maquette.contract.geometry import Box, CameraModel, Pose, Rle
from maquette.contract.media import Sha256

ScaleSource = Literal["metric", "prior", "relative"]
ObjectFormat = Literal["glb", "ply", "spz", "sog", "khr_glb", "obj", "textured_glb", "usdz"]
SceneFormat = Literal["glb", "ply", "spz", "sog", "khr_glb"]
AssetFormat = Literal["glb", "ply", "spz", "sog", "khr_glb", "obj"]
ObjectOutput = Literal["placed", "turntable", "simulation"]
BodyFormat = Literal["glb", "obj", "ply", "bvh", "npz", "json"]


class Artefact(ResponseModel):
    """A file of a result; its bytes are at GET /v1/artefacts/{sha256}."""

    name: str
    role: str
    sha256: Sha256
    media_type: str
    bytes: int


class PromptRef(ResponseModel):
    """Which prompt of the request found something: its list and its place in it."""

    kind: Literal["text", "box", "points", "mask", "job", "exemplars", "prompt"]
    index: int


Side = Literal["left", "top", "right", "bottom"]


class Instance(ResponseModel):
    """One object in an image; area counts the mask's pixels, `borders` are the picture's sides it touches.

    `stability` is the IoU of the masks at a higher and a lower cut, 0..1, null where the engine has none.
    `polygons` are rings of x0, y0, x1, y1, … in pixels when they were asked for: outer ones and holes, to be
    filled by the even-odd rule.
    """

    index: int
    label: str | None
    score: float | None
    box: Box
    area: int
    mask: Rle
    prompt: PromptRef
    stability: float | None = None
    borders: list[Side] = []
    polygons: list[list[float]] | None = None
    flags: list[str] = []


class SegmentResult(ResponseModel):
    """Instances of a picture; `frame` is its index when it came from a video."""

    kind: Literal["segment"] = "segment"
    width: int
    height: int
    frame: int | None = None
    instances: list[Instance]


class Track(ResponseModel):
    """One object through a video; frames are indices of the decoded video, first and last inclusive."""

    id: int
    label: str | None
    prompt: PromptRef
    first_frame: int
    last_frame: int
    frames: int
    mean_score: float | None
    flags: list[str] = []


class MaskChunk(ResponseModel):
    """A `masks` artefact and the frames in it, first and last inclusive."""

    name: str
    first_frame: int
    last_frame: int


class TrackResult(ResponseModel):
    """Tracks; the masks of each frame are lines of the `masks` artefacts (JSON Lines, COCO RLE).

    Lines are in ascending order of frames, whatever the direction. `frames` counts them.
    """

    kind: Literal["track"] = "track"
    width: int
    height: int
    frames: int
    chunks: list[MaskChunk] = []
    frame_rate: float | None
    time_base: tuple[int, int]
    tracks: list[Track]


class ObjectViews(ResponseModel):
    """What several views of one object came to: `used` of `given` frames show it, `cut` of them at the edge.

    `arc_degrees` is how far they go round it, `seen_share` the share of its surface that some view sees, and
    `reference` the frame whose camera its pose is in. `track` is its id in the video's track.
    `refined_gain_db` is what refining the splat gained on frames held out, null where it was not refined;
    `carved_gain_db` the same for carving the hull by colour, null where that was not kept.
    """

    arc_degrees: float
    given: int
    used: int
    cut: int
    seen_share: float
    reference: int
    track: int
    refined_gain_db: float | None = None
    carved_gain_db: float | None = None


class ObjectResult(ResponseModel):
    """One object in 3D: `mesh` and `splat` name artefacts in the canonical frame that `pose` places.

    `files` names an artefact for each format that was written, these two among them; `extras` one for each of
    the request's `outputs`.
    """

    index: int
    label: str | None
    score: float | None
    box: Box
    mask: Rle
    mesh: str
    splat: str
    files: dict[ObjectFormat, str] = {}
    extras: dict[ObjectOutput, str] = {}
    pose: Pose
    camera: CameraModel
    scale_source: ScaleSource
    confidence: float
    silhouette_iou: float | None
    vertices: int
    faces: int
    gaussians: int
    views: ObjectViews | None = None
    flags: list[str] = []


class ObjectFailure(ResponseModel):
    """An object that could not be lifted, and why; the others are kept."""

    index: int
    label: str | None
    code: str
    detail: str


class ObjectsResult(ResponseModel):
    kind: Literal["objects"] = "objects"
    width: int
    height: int
    objects: list[ObjectResult]
    failures: list[ObjectFailure] = []


class Keypoint(ResponseModel):
    """A named joint: xy in pixels, xyz in metres in the camera frame, visibility in [0, 1]."""

    name: str
    xy: tuple[float, float]
    xyz: tuple[float, float, float]
    visibility: float


class BodyResult(ResponseModel):
    """One person; `files` names an artefact for each format, and `mesh` the rigged GLB among them."""

    index: int
    box: Box
    mesh: str | None
    files: dict[BodyFormat, str] = {}
    camera: CameraModel
    keypoints: list[Keypoint]
    parameters: dict[str, list[float]]
    scale_source: ScaleSource
    confidence: float
    reprojection_error_px: float
    flags: list[str] = []


class FrameSpan(ResponseModel):
    """Frames without a hole, first and last inclusive; seconds count from the video's first frame."""

    first_frame: int
    last_frame: int
    first_seconds: float
    last_seconds: float


class BodyTrack(ResponseModel):
    """One person through a video, with one shape.

    `frames` had a body of their own, `filled` were put between two of them; `spans` are what remains when
    longer gaps stay open: an animation of the GLB and a BVH each. `jitter` is the mean length of the joints'
    acceleration in m/s², null under three frames; `jitter_raw` is that of the frames as they were found.
    """

    id: int
    first_frame: int
    last_frame: int
    frames: int
    filled: int
    spans: list[FrameSpan]
    files: dict[BodyFormat, list[str]]
    camera: CameraModel
    parameters: dict[str, list[float]]
    scale_source: ScaleSource
    confidence: float
    reprojection_error_px: float
    jitter_raw: float | None
    jitter: float | None
    flags: list[str] = []


class BodiesResult(ResponseModel):
    """Bodies of an image, or tracks of a video; `space` is where positions are told: camera or world."""

    kind: Literal["bodies"] = "bodies"
    width: int
    height: int
    bodies: list[BodyResult] = []
    failures: list[ObjectFailure] = []
    tracks: list[BodyTrack] = []
    frames: int | None = None
    frame_rate: float | None = None
    space: Literal["camera", "world"] = "camera"


class SceneNode(ResponseModel):
    """One thing of a scene: its node in the scene GLB, its pose in the camera frame."""

    name: str
    kind: Literal["object", "body"]
    label: str | None
    box: Box
    pose: Pose
    scale_source: ScaleSource
    confidence: float
    silhouette_iou: float | None
    flags: list[str] = []


class SceneResult(ResponseModel):
    kind: Literal["scene"] = "scene"
    width: int
    height: int
    camera: CameraModel
    nodes: list[SceneNode]
    mesh: str | None
    splat: str | None
    files: dict[SceneFormat, str] = {}
    failures: list[ObjectFailure] = []


class ConvertResult(ResponseModel):
    """What an asset was found to be, and an artefact for each format that was asked for."""

    kind: Literal["convert"] = "convert"
    asset: Literal["splat", "mesh"]
    source: AssetFormat
    files: dict[AssetFormat, str]


class DatasetResult(ResponseModel):
    """A dataset version: `version` is the hash of its manifest artefact; counts are of what was kept.

    `rejected` counts failed clips and tracks by gate; `seconds` is the video time of the kept clips.
    `published` is the address in a bucket that the version was written to, `unreadable` has the videos that
    were left out because they cannot be read, with the code of the reason, `failed` the clips that could not
    be worked on, with code and detail.
    """

    kind: Literal["dataset"] = "dataset"
    version: Sha256
    clips: int
    frames: int
    tracks: int
    observations: int
    rejected: dict[str, int]
    seconds: float = 0.0
    assets: int = 0
    splits: dict[str, int] = {}
    funnel: list[FunnelStep] = []
    signed: bool = False
    published: str | None = None
    unreadable: dict[str, str] = {}
    failed: dict[str, str] = {}


class EngineUsed(ResponseModel):
    """An engine that worked on a result; `weights` maps files to their sha256."""

    kind: str
    name: str
    version: str
    device: str
    weights: dict[str, str] = {}


class Provenance(ResponseModel):
    """Enough to make the result again."""

    code_version: str
    engines: list[EngineUsed]
    seed: int
    parameters: dict[str, Any]
    sources: list[Sha256]
    from_job: str | None = None


AnyResult = Annotated[
    SegmentResult | TrackResult | ObjectsResult | BodiesResult | SceneResult | ConvertResult | DatasetResult,
    Field(discriminator="kind"),
]


class Manifest(ResponseModel):
    """The result of a job; `reason` says why when nothing was found."""

    result: AnyResult
    artefacts: list[Artefact]
    provenance: Provenance
    flags: list[str] = []
    reason: str | None = None
