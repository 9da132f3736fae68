"""What datasets know of their sources, how gates are set, and what came of them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.base import RequestModel, ResponseModel
from maquette.contract.geometry import Finite, Intrinsics, RigidMotion
from maquette.contract.media import DepthFrames

ShortText = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
BucketAddress = Annotated[str, Field(max_length=4096, pattern=r"^[a-z][a-z0-9]*://[^\s]+$")]
# every gate there is; the policy of the workers has bounds for each
GateName = Literal[
    "duration",
    "luminance",
    "sharpness",
    "motion",
    "near_duplicate",
    "text_area",
    "length",
    "visible_fraction",
    "area",
    "area_share",
    "truncation",
    "flicker",
    "id_switch",
    "reidentification",
    "box_mask",
    "jitter_3d",
    "size_constancy",
    "caption_alignment",
]


class SourceInfo(RequestModel):
    """What the submitter knows of one video; everything may be left out, and then it is unknown, not false.

    `camera` is in pixels of the full picture. `world_from_cam` and `actions` have one entry a decoded frame
    (`actions` may lack the last one). `scale` says whether the world of `world_from_cam` is in metres.
    `depth` tells how far away what each decoded frame shows is. `time_assumed` tells that frames came
    numbered, and their times are the submitter's guess.
    """

    name: ShortText | None = None
    licence: ShortText | None = None
    consent: ShortText | None = None
    attribution: ShortText | None = None
    session: ShortText | None = None
    time_assumed: bool = False
    camera: Intrinsics | None = None
    world_from_cam: Annotated[list[RigidMotion], Field(min_length=1, max_length=100_000)] | None = None
    scale: Literal["metric", "relative"] = "relative"
    depth: DepthFrames | None = None
    actions: (
        Annotated[
            list[Annotated[list[Finite], Field(min_length=1, max_length=64)]],
            Field(min_length=1, max_length=100_000),
        ]
        | None
    ) = None
    action_names: Annotated[list[ShortText], Field(max_length=64)] = []

    @model_validator(mode="after")
    def _rectangular(self) -> "SourceInfo":
        widths = {len(row) for row in self.actions or ()}
        if len(widths) > 1:
            raise ValueError("'actions' needs the same number of values for every frame")
        if self.action_names and widths != {len(self.action_names)}:
            raise ValueError("'action_names' needs one name for each value of 'actions'")
        return self


class BucketInput(RequestModel):
    """Videos and folders of numbered frames that workers read: an object, a prefix, or a pattern with `*`.

    `source` holds for all of them; their names are those of the objects. Numbered frames come
    `frame_rate` a second.
    """

    address: BucketAddress
    source: SourceInfo = SourceInfo()
    frame_rate: Annotated[float, Field(gt=0, le=240)] = 10.0

    @model_validator(mode="after")
    def _of_all(self) -> "BucketInput":
        if self.source.depth is not None:
            raise ValueError("'source' of a bucket holds for all of its videos: it can have no 'depth'")
        return self


class Bounds(RequestModel):
    """A gate lets through scores from `low` to `high`, inclusive; null is no bound."""

    low: Finite | None = None
    high: Finite | None = None


class SplitShares(RequestModel):
    """Which share of the split groups each split gets."""

    train: Annotated[float, Field(ge=0, le=1)] = 0.8
    val: Annotated[float, Field(ge=0, le=1)] = 0.1
    test: Annotated[float, Field(ge=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _whole(self) -> "SplitShares":
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError("the shares of 'train', 'val' and 'test' add up to 1")
        return self


class FunnelStep(ResponseModel):
    """How many of what went into a stage and how many came out."""

    stage: str
    unit: str
    given: int
    kept: int
