"""Keyword arguments that the methods of the client pass on to the request, with their types."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from maquette.contract import Generation, PersonPrompt
from maquette.contract.datasets import Bounds, BucketInput, GateName, SplitShares
from maquette.contract.exports import Export


class JobOptions(TypedDict, total=False):
    """Options of every job."""

    engine: str
    seed: int
    timeout_seconds: int


class SegmentOptions(JobOptions, total=False):
    """Options of a segment job."""

    nms_iou: float | None
    fill_area: int | None
    overlay: bool


class TrackOptions(JobOptions, total=False):
    """Options of a track job."""

    reserved_ids: int


class ObjectsOptions(JobOptions, total=False):
    """Options of an objects job."""

    thresholds: Sequence[float | None]
    mask_labels: Sequence[str | None]
    turntable_size: int
    turntable_seconds: float
    generation: Generation | Mapping[str, Any] | None


class SceneOptions(ObjectsOptions, total=False):
    """Options of a scene job."""

    density: float
    longest_side_m: float | None


class BodiesOptions(JobOptions, total=False):
    """Options of a bodies job."""

    world_up: Literal["-y", "y", "z"]
    people: Sequence[PersonPrompt | Mapping[str, Any] | None]
    hands: Literal["both", "left", "right", "none"] | None
    max_wrist_angle: float | None
    gravity: Sequence[float] | None
    camera_pitch_deg: float | None


class ConvertOptions(JobOptions, total=False):
    """Options of a convert job."""

    anti_aliased: bool
    depth: bool


class DatasetJobOptions(JobOptions, total=False):
    """Options of a dataset job; `DatasetJob` describes them."""

    publish: str | None
    min_clip_seconds: float
    trim_seconds: float
    frame_rate: float | None
    gates: Mapping[GateName, Bounds | Mapping[str, float]]
    splits: SplitShares | Mapping[str, float]
    group_by_name: bool
    crops: int
    assets: int
    changes: int
    max_clips: int | None
    reuse: bool
    captioner: str | None
    inverse_dynamics: str | None
    max_seconds: float | None
    max_gpu_seconds: float | None
    max_dollars: float | None
    strict: bool
    buckets: Sequence[BucketInput | Mapping[str, Any]]
    exports: Sequence[Export | Mapping[str, Any]]
    skipped: Mapping[str, str]
