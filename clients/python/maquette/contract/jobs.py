"""What a client asks for, and the job it becomes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from maquette.contract.base import RequestModel, ResponseModel
from maquette.contract.datasets import (
    Bounds,
    BucketAddress,
    BucketInput,
    GateName,
    ShortText,
    SourceInfo,
    SplitShares,
)
from maquette.contract.geometry import Intrinsics, RigidMotion
from maquette.contract.media import DepthMap, MediaRef, Sha256
from maquette.contract.problems import Problem
from maquette.contract.prompts import (
    Boxes,
    Exemplar,
    FrameIndex,
    Masks,
    ObjectPrompt,
    Phrase,
    Phrases,
    PointGroups,
    Threshold,
    VideoExemplar,
    VideoPrompt,
)
from maquette.contract.results import (
    AssetFormat,
    BodyFormat,
    Manifest,
    ObjectFormat,
    ObjectOutput,
    SceneFormat,
)

JobKind = Literal["segment", "track", "objects", "bodies", "scene", "dataset", "convert"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
FINAL_STATES: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired"})

EngineName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
JobId = Annotated[str, Field(pattern=r"^job_[0-9a-f]{28}$")]
MaskOutput = Literal["polygons", "png"]
TrackOutput = Literal["overlay", "png", "ytvis"]
Direction = Literal["forward", "backward", "both"]


class JobBase(RequestModel):
    """What every job may set."""

    engine: EngineName = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900


class PromptedJob(JobBase):
    """Prompts: phrases name every instance; a box or a list of points names one object each."""

    text: Phrases = []
    boxes: Boxes = []
    points: PointGroups = []
    threshold: Threshold | None = None
    thresholds: Annotated[list[Threshold | None], Field(max_length=64)] = []

    @model_validator(mode="after")
    def _one_threshold_a_phrase(self) -> "PromptedJob":
        if self.thresholds and len(self.thresholds) != len(self.text):
            raise ValueError("'thresholds' needs one value (or null) for each phrase of 'text'")
        return self

    def resolve_thresholds(self) -> list[float | None]:
        """One value a phrase: its own, else `threshold`, else None for the engine's."""
        own = self.thresholds or [None] * len(self.text)
        return [self.threshold if value is None else value for value in own]


class SegmentJob(PromptedJob):
    """Masks of everything the prompts name in one picture; exemplars name all that look like them.

    With `frame` the picture is that frame of a video. `outputs` adds polygons to the instances, or a PNG of
    each mask to the artefacts.
    """

    kind: Literal["segment"] = "segment"
    image: MediaRef
    frame: FrameIndex | None = None
    exemplars: Annotated[list[Exemplar], Field(max_length=64)] = []
    prompts: Annotated[list[ObjectPrompt], Field(max_length=256)] = []
    outputs: Annotated[list[MaskOutput], Field(max_length=2)] = []

    @model_validator(mode="after")
    def _prompted(self) -> "SegmentJob":
        if not (self.text or self.boxes or self.points or self.exemplars or self.prompts):
            raise ValueError("give at least one of 'text', 'boxes', 'points', 'exemplars' and 'prompts'")
        if self.exemplars and not any(exemplar.positive for exemplar in self.exemplars):
            raise ValueError("'exemplars' need at least one positive box")
        return self


class TrackJob(PromptedJob):
    """Objects followed through a video.

    Ids: one for each of `boxes`, then of `points`, then of the `prompts` without `object`, from 1 in this
    order. Prompts may name further ids themselves, up to `reserved_ids`. What phrases find gets higher ids
    than all these. Boxes and points lie on `start_frame`. Tracking runs from it to the end, to the first
    frame, or both, through `max_frames` each way; by default it starts on the lowest frame that has a prompt
    (backward: the highest), and phrases alone start on the first frame (backward: the last). `exemplars` are
    for engines with the capability `video_exemplars`.
    """

    kind: Literal["track"] = "track"
    video: MediaRef
    prompts: Annotated[list[VideoPrompt], Field(max_length=1000)] = []
    exemplars: Annotated[list[VideoExemplar], Field(max_length=64)] = []
    reserved_ids: Annotated[int, Field(ge=0, le=1000)] = 0
    start_frame: FrameIndex | None = None
    direction: Direction = "forward"
    max_frames: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    outputs: Annotated[list[TrackOutput], Field(max_length=3)] = []

    @model_validator(mode="after")
    def _prompted(self) -> "TrackJob":
        starting = [prompt for prompt in self.prompts if not prompt.remove]
        if not (self.text or self.boxes or self.points or starting):
            raise ValueError(
                "give at least one of 'text', 'boxes', 'points' and 'prompts' that start an object"
            )
        for index, exemplar in enumerate(self.exemplars):
            if exemplar.phrase >= len(self.text):
                raise ValueError(
                    f"exemplars[{index}] names phrase {exemplar.phrase}: there are {len(self.text)}"
                )
        known = self.highest_prompted_id()
        for index, prompt in enumerate(self.prompts):
            if prompt.object is not None and prompt.object > known and not self.text:
                raise ValueError(f"prompts[{index}] names object {prompt.object}: there are {known}")
        return self

    def highest_prompted_id(self) -> int:
        """The highest id of a prompted object; what phrases find is above it."""
        started = sum(prompt.object is None for prompt in self.prompts)
        return max(len(self.boxes) + len(self.points) + started, self.reserved_ids)


class ObjectsJob(PromptedJob):
    """A mesh, a splat and a pose for each masked object of an image, or with `multiview` of a video.

    Many views come from `video` and prompts on its first frame, or from a track job (`from_job`). Cameras are
    `world_from_cam`, one for each frame in metres, or are found from the frames; `max_views` frames are used.
    The mesh as GLB and the splat as PLY are always written; `formats` may ask for more. `outputs` adds the
    posed mesh over the picture, a turntable film, or a simulation package (URDF and MJCF) of an even
    `density` in kg/m³, in the asset's metres unless `longest_side_m` tells them. With `depth` of the picture
    shapes and places are metric.
    """

    kind: Literal["objects"] = "objects"
    image: MediaRef | None = None
    masks: Masks = []
    from_job: JobId | None = None
    camera: Intrinsics | None = None
    depth: DepthMap | None = None
    formats: Annotated[list[ObjectFormat], Field(min_length=1, max_length=8)] = ["glb", "ply"]
    outputs: Annotated[list[ObjectOutput], Field(max_length=3)] = []
    density: Annotated[float, Field(gt=0, le=30_000)] = 1000.0
    longest_side_m: Annotated[float, Field(gt=0, le=1000)] | None = None
    video: MediaRef | None = None
    multiview: bool = False
    world_from_cam: Annotated[list[RigidMotion], Field(min_length=1, max_length=100_000)] | None = None
    max_views: Annotated[int, Field(ge=3, le=64)] = 24

    @model_validator(mode="after")
    def _many_views(self) -> "ObjectsJob":
        if self.multiview and (self.image is not None or self.masks):
            raise ValueError("'multiview' needs 'video', or 'from_job' with the id of a track job")
        if self.multiview and self.depth is not None:
            raise ValueError("'depth' is of one picture: leave it out with 'multiview'")
        if not self.multiview and (self.video is not None or self.world_from_cam is not None):
            raise ValueError("'video' and 'world_from_cam' are for many views: set 'multiview'")
        if self.video is not None and self.from_job is not None:
            raise ValueError("'from_job' brings its own video: leave 'video' out")
        return self

    @model_validator(mode="after")
    def _sourced(self) -> "ObjectsJob":
        if self.from_job is None and self.image is None and self.video is None:
            raise ValueError("give 'image', or 'from_job' with the id of a segment job")
        if self.from_job is None and not (self.text or self.boxes or self.points or self.masks):
            raise ValueError("say which objects: 'text', 'boxes', 'points', 'masks' or 'from_job'")
        if self.from_job is not None and (self.image or self.text or self.boxes or self.points or self.masks):
            raise ValueError("'from_job' brings its own image and masks: leave the other prompts out")
        return self


class BodiesJob(JobBase):
    """A rigged body for each person of an image, or a moving one for each person of a video.

    Without boxes, masks or a job, people are found first. A video is `video`, or `from_job` of a track job.
    """

    kind: Literal["bodies"] = "bodies"
    image: MediaRef | None = None
    video: MediaRef | None = None
    boxes: Boxes = []
    masks: Masks = []
    from_job: JobId | None = None
    camera: Intrinsics | None = None
    formats: Annotated[list[BodyFormat], Field(min_length=1, max_length=6)] = ["glb"]
    lod: Annotated[int, Field(ge=0, le=6)] | None = None
    vertices: bool = False
    max_people: Annotated[int, Field(ge=1, le=256)] = 64
    max_frames: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    smoothing: bool = True
    max_gap_seconds: Annotated[float, Field(ge=0, le=5)] = 0.5
    world_from_cam: Annotated[list[RigidMotion], Field(min_length=1, max_length=100_000)] | None = None
    world_up: Literal["-y", "y", "z"] = "-y"

    @model_validator(mode="after")
    def _sourced(self) -> "BodiesJob":
        if sum(source is not None for source in (self.image, self.video, self.from_job)) != 1:
            raise ValueError("give exactly one of 'image', 'video' and 'from_job'")
        if self.image is None and (self.boxes or self.masks):
            raise ValueError("'boxes' and 'masks' lie in an 'image': a video or an earlier job has its own")
        if self.masks and self.boxes and len(self.masks) != len(self.boxes):
            raise ValueError("'masks' and 'boxes' must name the same people: their lengths differ")
        if self.image is not None and (why := self.video_only_field()):
            raise ValueError(f"{why} of a video: leave it out with 'image'")
        if self.video is not None and (why := self.image_only_format()):
            raise ValueError(why)
        return self

    def video_only_field(self) -> str | None:
        """The field that is set and that only videos have."""
        if self.world_from_cam is not None:
            return "'world_from_cam' is"
        return None if self.max_frames is None else "'max_frames' is"

    def image_only_format(self) -> str | None:
        """Why a video cannot be asked for this."""
        still = [name for name in self.formats if name in ("obj", "ply")]
        if still:
            return f"{still[0]!r} holds one pose: ask for glb, bvh, npz or json of a video"
        return None


class SceneJob(JobBase):
    """Objects and bodies of one image in one camera frame.

    The scene as GLB and its splat as PLY are always written; `formats` may ask for more. When a body gives
    the scale, objects are scaled with it, and with `contact` they stand on the ground that its feet tell.
    """

    kind: Literal["scene"] = "scene"
    image: MediaRef
    formats: Annotated[list[SceneFormat], Field(min_length=1, max_length=5)] = ["glb", "ply"]
    contact: bool = True
    text: Annotated[list[Phrase], Field(min_length=1, max_length=64)]
    threshold: Threshold | None = None
    camera: Intrinsics | None = None


class ConvertJob(JobBase):
    """A splat or a mesh in other formats; `asset` is an upload, or the hash of an artefact of yours.

    With `y_down`, PLY and SOG splats hold 3DGS's axes (y down, z forward).
    """

    kind: Literal["convert"] = "convert"
    asset: MediaRef
    formats: Annotated[list[AssetFormat], Field(min_length=1, max_length=6)]
    y_down: bool = False


class DatasetJob(JobBase):
    """Clips, tracks, cameras and crops of many videos, as versioned shards.

    Workers read what lies in `buckets`, and write the version to the address `publish` as well; the operator
    says which are allowed. Videos are cut at shots, shots into clips of `min_clip_seconds` to `clip_seconds`;
    `frame_rate` keeps fewer frames a second. `sources` has one entry for each of `videos`, or is empty.
    `gates` replaces bounds of the policy. `assets` is how many objects of the whole dataset may be lifted to
    meshes and splats. With `max_clips` only so many clips are worked on, evenly spread, and the result has
    the seconds of each stage.
    No new clip is begun after `max_seconds` of workers, those of all workers together, after
    `max_gpu_seconds` of workers with a GPU, or after `max_dollars` at the operator's prices: the others are
    left out, and the result is flagged `budget_reached`. `captioner` and `inverse_dynamics` name plug-ins of
    the worker: captions of theirs stand before the composed ones, actions of theirs beside the others.
    """

    kind: Literal["dataset"] = "dataset"
    videos: Annotated[list[MediaRef], Field(max_length=10_000)] = []
    buckets: Annotated[list[BucketInput], Field(max_length=100)] = []
    text: Annotated[list[Phrase], Field(min_length=1, max_length=64)]
    threshold: Threshold | None = None
    publish: BucketAddress | None = None
    sources: Annotated[list[SourceInfo], Field(max_length=10_000)] = []
    clip_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    min_clip_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    trim_seconds: Annotated[float, Field(ge=0, le=5)] = 0.3
    frame_rate: Annotated[float, Field(gt=0, le=240)] | None = None
    size: Annotated[int, Field(ge=64, le=1024)] = 256
    gates: dict[GateName, Bounds] = {}
    splits: SplitShares = SplitShares()
    crops: Annotated[int, Field(ge=0, le=16)] = 3
    assets: Annotated[int, Field(ge=0, le=10_000)] = 0
    max_clips: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    captioner: ShortText | None = None
    inverse_dynamics: ShortText | None = None
    max_seconds: Annotated[float, Field(gt=0, le=604_800_000)] | None = None
    max_gpu_seconds: Annotated[float, Field(gt=0, le=604_800_000)] | None = None
    max_dollars: Annotated[float, Field(gt=0, le=1_000_000_000)] | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] = 86_400

    @model_validator(mode="after")
    def _one_source_a_video(self) -> "DatasetJob":
        if self.sources and len(self.sources) != len(self.videos):
            raise ValueError("'sources' needs one entry for each of 'videos'")
        if not self.videos and not self.buckets:
            raise ValueError("give 'videos', 'buckets', or both")
        return self


JobRequest = Annotated[
    SegmentJob | TrackJob | ObjectsJob | BodiesJob | SceneJob | ConvertJob | DatasetJob,
    Field(discriminator="kind"),
]


class Progress(ResponseModel):
    """How far a job is: `total` is null while it is unknown."""

    stage: str
    done: int = 0
    total: int | None = None
    message: str | None = None
    preview: Sha256 | None = None


class Job(ResponseModel):
    """A job as the service tells it; `result` is present once it succeeded."""

    id: JobId
    kind: JobKind
    state: JobState
    engine: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempt: int = 0
    cancel_requested: bool = False
    progress: Progress | None = None
    problem: Problem | None = None
    result: Manifest | None = None
    result_sha256: Sha256 | None = None
    request: dict[str, Any] | None = None


class JobPage(ResponseModel):
    """One page of jobs, newest first; `next_cursor` is null on the last page."""

    jobs: list[Job]
    next_cursor: str | None = None
