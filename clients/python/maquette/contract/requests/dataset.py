"""A dataset job: clips and tracks of many videos."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.datasets import (
    Bounds,
    BucketAddress,
    BucketInput,
    GateName,
    Review,
    ShortText,
    SourceInfo,
    SplitShares,
)
from maquette.contract.exports import Export
from maquette.contract.media import MediaRef
from maquette.contract.prompts import Phrases, RequiredPhrases, Threshold
from maquette.contract.requests.common import JobBase, JobId

ProblemCode = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")]
# a thousand workers for a week
WorkerSeconds = Annotated[float, Field(gt=0, le=604_800_000)]


class DatasetOptions(JobBase):
    """How a dataset is made, whatever its videos are.

    Videos are cut into shots, and shots into clips. When a budget (`max_seconds`, `max_gpu_seconds`,
    `max_dollars`) is used up, no new clip is started and the result is flagged `budget_reached`.
    """

    text: RequiredPhrases
    """Phrases, also several in one string, joined by commas; each names every instance of a concept."""
    threshold: Threshold | None = None
    """Lowest score of an instance that a phrase finds; null takes the engine's."""
    publish: BucketAddress | None = None
    """Address in a bucket that workers also write the version to; the operator lists the allowed ones."""
    clip_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Longest clip in seconds."""
    min_clip_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    """Shortest clip in seconds."""
    trim_seconds: Annotated[float, Field(ge=0, le=5)] = 0.3
    """Seconds left out on each side of a cut."""
    frame_rate: Annotated[float, Field(gt=0, le=240)] | None = None
    """Frames to keep per second, on an exact grid of times: the nearest frame of each point, none twice; null
    keeps all. 29.97 and the like are exact broadcast rates (30000/1001)."""
    size: Annotated[int, Field(ge=64, le=1024)] = 256
    """Longest side of the stored frames in pixels."""
    gates: dict[GateName, Bounds] = {}
    """Bounds that replace those of the workers' policy, by gate."""
    splits: SplitShares = SplitShares()
    """Shares of the train, validation and test splits."""
    group_by_name: bool = True
    """Keep videos without a session whose names differ only by a number (film-1, film-2) in one split."""
    crops: Annotated[int, Field(ge=0, le=16)] = 3
    """Reference crops to store per track."""
    assets: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Maximum number of objects of the entire dataset to lift to meshes and splats."""
    changes: Annotated[int, Field(ge=0, le=1000)] = 0
    """Pairs of frames per clip whose objects are compared: what moved, turned, was resized or replaced,
    appeared or vanished, in numbers and words."""
    max_clips: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Process only this many clips, evenly spread, and report the seconds of each stage."""
    reuse: bool = True
    """Take over clips of the tenant's earlier jobs where nothing that they depend on has changed; where only
    bounds of gates have, decide them again."""
    captioner: ShortText | None = None
    """Caption plug-in of the workers; its captions precede the composed ones."""
    inverse_dynamics: ShortText | None = None
    """Inverse-dynamics plug-in of the workers; its actions are stored beside the given ones."""
    max_seconds: WorkerSeconds | None = None
    """Budget in worker seconds, summed over all workers."""
    max_gpu_seconds: WorkerSeconds | None = None
    """Budget in seconds of workers with a GPU."""
    max_dollars: Annotated[float, Field(gt=0, le=1_000_000_000)] | None = None
    """Budget in dollars at the operator's prices."""
    strict: bool = False
    """Fail when a video cannot be read, instead of leaving it out."""
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] = 86_400
    """Longest time the job may run, in seconds."""

    def phrases(self) -> list[str]:
        """Return `text`."""
        return self.text


class DatasetJob(DatasetOptions):
    """Clips, tracks, cameras and crops of many videos, as versioned shards."""

    kind: Literal["dataset"] = "dataset"
    text: Phrases = []
    """Phrases, also several in one string, joined by commas; each names every instance of a concept. Required
    without `from_job`."""
    from_job: JobId | None = None
    """Dataset job whose version is decided again by `gates` or `reviews`, without its videos: everything else
    stays."""
    reviews: Annotated[list[Review], Field(max_length=100_000)] = []
    """With `from_job`: clips and tracks that a person keeps or rejects, whatever the gates say."""
    videos: Annotated[list[MediaRef], Field(max_length=10_000)] = []
    """The videos that were uploaded or have https addresses."""
    buckets: Annotated[list[BucketInput], Field(max_length=100)] = []
    """Videos that workers read from buckets themselves; the operator lists the allowed ones."""
    sources: Annotated[list[SourceInfo], Field(max_length=10_000)] = []
    """What is known of each of `videos`, one entry per video; or empty."""
    exports: Annotated[list[Export], Field(max_length=16)] = []
    """Formats that workers export the version to, each with its options; the result has a TAR archive of
    each, an artefact of the role `export`. With `from_job` alone, its version stays as it is."""
    skipped: Annotated[dict[ShortText, ProblemCode], Field(max_length=10_000)] = {}
    """Videos that the client left out because they cannot be read, by name, with the problem's code; they are
    reported with the version."""

    @model_validator(mode="after")
    def _check_sources(self) -> "DatasetJob":
        formats = [export.format for export in self.exports]
        if len(set(formats)) != len(formats):
            raise ValueError("'exports' has a format twice")
        if self.from_job is not None:
            return self._check_regate()
        if self.reviews:
            raise ValueError("'reviews' needs 'from_job': the dataset job whose version they are about")
        if not self.text:
            raise ValueError("'text' needs at least one phrase")
        if self.sources and len(self.sources) != len(self.videos):
            raise ValueError("'sources' needs one entry for each of 'videos'")
        if not self.videos and not self.buckets:
            raise ValueError("give 'videos', 'buckets', or both")
        return self

    def skips_engines(self) -> bool:
        """Return whether only decisions change."""
        return self.from_job is not None

    def _check_regate(self) -> "DatasetJob":
        if not self.gates and not self.reviews and not self.exports:
            raise ValueError(
                "'from_job' needs 'gates' (bounds that replace those of its version), 'reviews' or 'exports'"
            )
        if not self.gates and not self.reviews and self.publish is not None:
            raise ValueError("'publish' with 'from_job' needs 'gates' or 'reviews'")
        places = [(review.clip, review.track) for review in self.reviews]
        if len(set(places)) != len(places):
            raise ValueError("'reviews' decides a clip or track twice")
        taken = {"kind", "from_job", "gates", "reviews", "publish", "exports", *JobBase.model_fields}
        fields = type(self).model_fields.items()
        given = [
            name for name, field in fields if name not in taken and getattr(self, name) != field.get_default()
        ]
        if given:
            raise ValueError(
                f"'from_job' goes with 'gates', 'reviews', 'publish', 'exports' alone, not with '{given[0]}'"
            )
        return self
