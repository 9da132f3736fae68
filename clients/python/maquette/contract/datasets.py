"""Sources, gates and splits of datasets."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from maquette.contract.base import RequestModel, ResponseModel
from maquette.contract.geometry import Finite, Intrinsics, RigidMotion
from maquette.contract.media import DepthFrames

ShortText = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
BucketAddress = Annotated[str, Field(max_length=4096, pattern=r"^[a-z][a-z0-9]*://[^\s]+$")]
# every gate; the workers' policy has bounds for each
GateName = Literal[
    "duration",
    "timestamps",
    "luminance",
    "sharpness",
    "motion",
    "near_duplicate",
    "text_area",
    "length",
    "seen_seconds",
    "visible_fraction",
    "area",
    "area_share",
    "truncation",
    "flicker",
    "id_switch",
    "reidentification",
    "box_mask",
    "merged",
    "jitter_3d",
    "size_constancy",
    "caption_alignment",
]


# how the values of an action add up over the frames that are left out
ActionType = Literal["delta", "state", "button"]


class SourceFacts(RequestModel):
    """What the submitter knows of one video besides its depth; whatever is left out is unknown."""

    name: ShortText | None = None
    """Name of the video."""
    licence: ShortText | None = None
    """Licence of the video."""
    consent: ShortText | None = None
    """Consent of the people in the video."""
    attribution: ShortText | None = None
    """Whom to credit."""
    session: ShortText | None = None
    """Recording session; videos of one session stay in one split."""
    time_assumed: bool = False
    """Whether frame times are the submitter's guess, as with numbered images."""
    camera: Intrinsics | None = None
    """Intrinsics in pixels of the full image."""
    world_from_cam: Annotated[list[RigidMotion], Field(min_length=1, max_length=100_000)] | None = None
    """Camera poses, a 4x4 matrix per decoded frame."""
    scale: Literal["metric", "relative"] = "relative"
    """Whether `world_from_cam` is in metres."""
    actions: (
        Annotated[
            list[Annotated[list[Finite], Field(min_length=1, max_length=64)]],
            Field(min_length=1, max_length=100_000),
        ]
        | None
    ) = None
    """Values per decoded frame; the last frame's may be left out."""
    action_names: Annotated[list[ShortText], Field(max_length=64)] = []
    """A name per value of `actions`."""
    action_types: Annotated[list[ActionType], Field(max_length=64)] = []
    """How each value of `actions` adds up over frames that are left out: the sum of each `delta`, the last
    `state`, and `button` if it was down at all. Needed with a lower `frame_rate`, unless the names say it."""

    @model_validator(mode="after")
    def _check_actions(self) -> "SourceFacts":
        widths = {len(row) for row in self.actions or ()}
        if len(widths) > 1:
            raise ValueError("'actions' needs the same number of values for every frame")
        if self.action_names and widths != {len(self.action_names)}:
            raise ValueError("'action_names' needs one name for each value of 'actions'")
        if self.action_types and widths != {len(self.action_types)}:
            raise ValueError("'action_types' needs one type for each value of 'actions'")
        return self


class SourceInfo(SourceFacts):
    """What the submitter knows of one video; whatever is left out is unknown."""

    depth: DepthFrames | None = None
    """Depth map of each decoded frame."""


class BucketInput(RequestModel):
    """Videos and folders of numbered frames that workers read; names are those of the objects."""

    address: BucketAddress
    """Address of an object, a prefix, or a pattern with `*`."""
    source: SourceInfo = SourceInfo()
    """What is known of all of these videos."""
    frame_rate: Annotated[float, Field(gt=0, le=240)] = 10.0
    """Frames per second of folders of numbered frames."""

    @model_validator(mode="after")
    def _check_source(self) -> "BucketInput":
        if self.source.depth is not None:
            raise ValueError("'source' of a bucket describes all of its videos: it cannot have a 'depth'")
        return self


class Bounds(RequestModel):
    """The scores that pass a gate, inclusive."""

    low: Finite | None = None
    """Lowest score that passes; null is no bound."""
    high: Finite | None = None
    """Highest score that passes; null is no bound."""

    @model_validator(mode="after")
    def _check_order(self) -> "Bounds":
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"'low' ({self.low:g}) is above 'high' ({self.high:g}): no score passes")
        return self


class SplitShares(RequestModel):
    """The share of the split groups that each split receives."""

    train: Annotated[float, Field(ge=0, le=1)] = 0.8
    val: Annotated[float, Field(ge=0, le=1)] = 0.1
    test: Annotated[float, Field(ge=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _check_sum(self) -> "SplitShares":
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError("the shares of 'train', 'val' and 'test' add up to 1")
        return self


class Review(RequestModel):
    """A person's decision about a clip or a track, which stands whatever the gates say."""

    clip: Annotated[str, Field(pattern=r"^[0-9a-zA-Z_-]{4,64}$")]
    """Id of the clip, or how it begins where no other clip's does."""
    track: Annotated[int, Field(ge=0)] | None = None
    """Track within the clip; null is the clip itself."""
    verdict: Literal["keep", "reject", "withdraw"]
    """`withdraw` leaves the decision to the gates again."""
    reason: ShortText | None = None
    """Why, in the reviewer's words."""
    reviewer: ShortText | None = None
    """Who decided; null takes the name of the API key."""
    at: AwareDatetime | None = None
    """When; null takes the time of the request."""


class TrackChange(ResponseModel):
    """A track that came in or went when a version was decided again."""

    clip: str
    track: int
    label: str | None = None
    gates: list[str]
    """The gates that it failed before, or fails now."""


class RegateChanges(ResponseModel):
    """What came and went when a version was decided by other bounds, or by hand."""

    tracks_added: list[TrackChange] = []
    tracks_removed: list[TrackChange] = []
    clips_removed: dict[str, list[str]] = {}
    """The gates that each clip fails now."""
    clips_unavailable: list[str] = []
    """Clips that would pass and have no frames: they need a run over their videos."""
    tracks_unavailable: list[TrackChange] = []
    """Tracks that would pass and whose masks an earlier release did not keep."""


class FunnelStep(ResponseModel):
    """How many items a stage received and kept."""

    stage: str
    unit: str
    """What is counted: videos, clips, tracks, ..."""
    given: int
    """Items that the stage received."""
    kept: int
    """Items that the stage kept."""
