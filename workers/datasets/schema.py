"""The schema of datasets: one frozen dataclass per table, from which Parquet columns and documents are made.

Conventions of every table: OpenCV camera axes (x right, y down, z forward), pixel centres at +0.5, boxes
xyxy end-exclusive, masks COCO compressed RLE, quaternions wxyz, z-depth. An unknown value is null, never
zero. Within one SCHEMA_VERSION a table may only gain nullable columns; anything else raises the version.
"""

from dataclasses import dataclass, fields
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

SCHEMA = "maquette.dataset"
SCHEMA_VERSION = 2

Strings = tuple[str, ...]
Floats = tuple[float, ...]
Split = Literal["train", "val", "test"]
CameraSource = Literal["given", "colmap", "static", "unknown"]
IntrinsicsSource = Literal["given", "exif", "colmap", "assumed"]
Box3dSource = Literal["given", "depth", "multiview", "prior"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """An input video and what its owner allows."""

    source: Annotated[str, "sha256 of the file; key"]
    name: Annotated[str | None, "name that the submitter gave it"]
    width: Annotated[int, "pixels of the upright frames"]
    height: Annotated[int, "pixels of the upright frames"]
    frames: Annotated[int, "number of decoded frames"]
    frame_rate: Annotated[float | None, "frames per second of the video; null where the file does not say"]
    time_base_numerator: Annotated[int, "seconds per tick: numerator"]
    time_base_denominator: Annotated[int, "seconds per tick: denominator"]
    licence: Annotated[str | None, "SPDX id, or the submitter's own words; null is unknown"]
    consent: Annotated[
        str | None, "consent of the people in the video, in the submitter's words; null is unknown"
    ]
    attribution: Annotated[str | None, "whom to credit"]
    session: Annotated[str | None, "recordings of one session are always in one split"]
    split_group: Annotated[
        str, "id of the connected component of sources that share a session or near-duplicates"
    ]
    split: Annotated[str, "train, val or test"]
    shots: Annotated[int, "number of shots in the decoded frames"]
    flags: Annotated[
        Strings,
        "time_assumed: the frames were numbered images without times; depth_unit_assumed: the unit of depth "
        "was not given (integers are millimetres, floats metres)",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """A part of one shot; rejected clips keep their row, with kept = false, and have no files."""

    clip: Annotated[str, "id: 20 hex digits of a hash over source, frames, step and size; key"]
    source: Annotated[str, "its video, in sources"]
    session: Annotated[str | None, "the session of its source"]
    split_group: Annotated[str, "split group of its source"]
    split: Annotated[str, "train, val or test"]
    shot: Annotated[int, "which shot of its source, from 0"]
    first_frame: Annotated[int, "first decoded frame of the source"]
    last_frame: Annotated[int, "last decoded frame of the source, inclusive"]
    frame_step: Annotated[int, "every n-th decoded frame is stored"]
    frames: Annotated[int, "number of stored frames"]
    start_seconds: Annotated[float, "time of the first frame in the source"]
    end_seconds: Annotated[float, "time of the last frame in the source"]
    frame_rate: Annotated[float | None, "stored frames per second; null for a clip of one frame"]
    width: Annotated[int, "pixels of the stored frames"]
    height: Annotated[int, "pixels of the stored frames"]
    camera_source: Annotated[str, "source of the camera poses: given, colmap, static or unknown"]
    intrinsics_source: Annotated[str, "source of the intrinsics: given, exif, colmap or assumed"]
    scale_source: Annotated[str | None, "scale of the world: metric, prior or relative; null without poses"]
    signature: Annotated[str, "perceptual hashes of three frames, 3 x 16 hex digits"]
    kept: Annotated[bool, "whether it passed every gate of clips"]
    flags: Annotated[Strings, "camera_unknown, camera_assumed, nothing_found, ..."]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRow:
    """A stored frame."""

    clip: Annotated[str, "in clips"]
    frame: Annotated[int, "index in the clip, from 0; key with clip"]
    source_frame: Annotated[int, "index among the decoded frames of the source"]
    pts: Annotated[int, "time in ticks of the source's time base"]
    jpeg: Annotated[bytes, "the image as JPEG, sRGB, width x height of the clip"]
    jpeg_sha256: Annotated[str, "sha256 of the JPEG"]
    depth_png: Annotated[
        bytes | None, "z-depth as 16-bit PNG in depth_unit, 0 is unknown; null without depth"
    ]
    depth_unit: Annotated[float | None, "metres (or units of the world) per level of depth_png"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRow:
    """The camera of a stored frame, in pixels of that frame."""

    clip: Annotated[str, "in clips"]
    frame: Annotated[int, "in frames; key with clip"]
    fx: Annotated[float, "pixels"]
    fy: Annotated[float, "pixels"]
    cx: Annotated[float, "pixels; the left edge of the image is 0"]
    cy: Annotated[float, "pixels; the top edge of the image is 0"]
    world_from_cam: Annotated[Floats | None, "4x4 row-major, rigid; null where the pose is unknown"]
    source: Annotated[str, "source of the pose: given, colmap, static or unknown"]
    intrinsics_source: Annotated[str, "source of the intrinsics: given, exif, colmap or assumed"]
    confidence: Annotated[float | None, "confidence of the pose, 0 to 1; null where it is not measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRow:
    """An object through a clip; rejected tracks keep their row, with kept = false."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int, "id within the clip, from 1; key with clip"]
    concept: Annotated[str | None, "the phrase that it was found by; null for given tracks without one"]
    label: Annotated[str | None, "label of the engine"]
    first_frame: Annotated[int, "first frame in which it is seen"]
    last_frame: Annotated[int, "last frame in which it is seen, inclusive"]
    frames: Annotated[int, "number of frames in which it is seen"]
    mean_score: Annotated[float | None, "mean confidence of its masks"]
    mean_area: Annotated[float, "mean area of its masks in pixels"]
    visible_fraction: Annotated[float, "frames in which it is seen, over all frames from first to last"]
    size: Annotated[Floats | None, "lengths of its 3D box along the axes of the box; null without a 3D box"]
    scale_source: Annotated[str | None, "metric, prior or relative; null without a 3D box"]
    reference_frame: Annotated[int | None, "frame that shows it best"]
    kept: Annotated[bool, "whether it passed every gate"]
    failed: Annotated[Strings, "gates that it failed"]
    flags: Annotated[Strings, "flags of the engine and of the stages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationRow:
    """A kept track in one frame: box, mask, and oriented 3D box in camera and world."""

    clip: Annotated[str, "in clips"]
    frame: Annotated[int, "in frames; key with clip and track"]
    track: Annotated[int, "in tracks"]
    x0: Annotated[float, "pixels"]
    y0: Annotated[float, "pixels"]
    x1: Annotated[float, "pixels, exclusive"]
    y1: Annotated[float, "pixels, exclusive"]
    score: Annotated[float | None, "confidence of the mask, 0 to 1"]
    mask_height: Annotated[int, "pixels"]
    mask_width: Annotated[int, "pixels"]
    mask_counts: Annotated[str, "COCO compressed RLE of the visible mask"]
    area: Annotated[int, "area of the mask in pixels"]
    depth: Annotated[float | None, "median z-depth of the mask; null without depth"]
    center_cam: Annotated[Floats | None, "centre of the 3D box in camera axes, x y z"]
    rotation_cam: Annotated[Floats | None, "rotation from box axes to camera axes, quaternion wxyz"]
    center_world: Annotated[Floats | None, "centre of the 3D box in the world; null without a camera pose"]
    rotation_world: Annotated[
        Floats | None, "rotation from box axes to world axes, wxyz; null without a camera pose"
    ]
    size: Annotated[Floats | None, "lengths of the 3D box along its own x, y, z"]
    scale_source: Annotated[str | None, "metric, prior or relative"]
    box3d_source: Annotated[str | None, "given, depth, multiview or prior"]
    box3d_confidence: Annotated[float | None, "0 to 1; at most 0.3 for a prior"]
    flags: Annotated[Strings, "occluded, truncated, scale_not_metric, rotation_unknown, assumed_still"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRow:
    """Appearance of a track in one frame: a reference crop, or a vector of an encoder."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int, "in tracks"]
    frame: Annotated[int, "in frames"]
    kind: Annotated[str, "crop or vector"]
    encoder: Annotated[str | None, "name and version of the encoder of the vector; null for a crop"]
    rank: Annotated[int, "0 is the best view"]
    x0: Annotated[float, "window of the crop in pixels of the frame; may extend past the frame"]
    y0: Annotated[float, "pixels"]
    x1: Annotated[float, "pixels, exclusive"]
    y1: Annotated[float, "pixels, exclusive"]
    jpeg: Annotated[bytes | None, "square crop, background included; null for a vector"]
    vector: Annotated[Floats | None, "the feature; null for a crop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRow:
    """A 3D asset of a track, stored as a file that is named by its hash."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int, "in tracks"]
    frame: Annotated[int, "frame that it was reconstructed from"]
    kind: Annotated[str, "mesh, splat or body"]
    file: Annotated[str, "name in the folder of the dataset"]
    sha256: Annotated[str, "sha256 of the file"]
    media_type: Annotated[str, "media type of the file"]
    bytes: Annotated[int, "size of the file"]
    rotation: Annotated[Floats, "rotation from the object frame to camera axes, wxyz"]
    translation: Annotated[Floats, "translation from the object frame to camera axes, x y z"]
    scale: Annotated[float, "p_cam = scale * R p + t"]
    scale_source: Annotated[str, "metric, prior or relative"]
    confidence: Annotated[float, "0 to 1"]
    silhouette_iou: Annotated[float | None, "IoU of the rendered outline with the mask"]
    engine: Annotated[str, "name and version"]
    flags: Annotated[Strings, "flags of the engine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """The action between a frame and the next one."""

    clip: Annotated[str, "in clips"]
    frame: Annotated[int, "the action leads from this frame to the next; the last frame has no row"]
    kind: Annotated[str, "ego_motion, recorded or inferred"]
    names: Annotated[Strings, "names of the values"]
    values: Annotated[
        Floats, "for ego_motion: next camera in the axes of this one, translation and rotation vector"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRow:
    """A caption of a clip or a track."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null for the clip itself"]
    kind: Annotated[str, "composed (from measured facts), engine or given"]
    text: Annotated[str, "one or two sentences, English"]
    engine: Annotated[str, "name and version of the captioner"]
    score: Annotated[
        float | None, "share of its facts that hold in another frame; null if none could be checked"
    ]
    kept: Annotated[bool | None, "whether it passed the gate caption_alignment; null without that gate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptRow:
    """A phrase that was searched for in a clip; found = 0 makes the clip a negative example of it."""

    clip: Annotated[str, "in clips"]
    phrase: Annotated[str, "the phrase of the job; key with clip"]
    found: Annotated[int, "number of tracks before the gates"]
    kept: Annotated[int, "number of tracks after the gates"]
    engine: Annotated[str, "name and version of the engine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """A measurement of a clip or a track."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null for the clip itself"]
    stage: Annotated[str, "stage that measured it"]
    name: Annotated[str, "what was measured"]
    value: Annotated[float | None, "null if it could not be measured"]
    unit: Annotated[str, "unit of the value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """The decision of a gate, with its score and bounds; every decision is kept."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null for the clip itself"]
    gate: Annotated[str, "name of the gate; rows of caption_alignment are in the order of captions"]
    score: Annotated[float | None, "null if it was not measured; it passes then"]
    low: Annotated[float | None, "passes at or above; null for no lower bound"]
    high: Annotated[float | None, "passes at or below; null for no upper bound"]
    passed: Annotated[bool, "the decision"]
    policy: Annotated[str, "name and version of the policy"]
    reason: Annotated[
        str | None, "code of the failure of a clip that could not be processed; null for gates with bounds"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRow:
    """Provenance: the inputs and the output of a stage; the same key always gives the same output."""

    clip: Annotated[str, "in clips"]
    stage: Annotated[str, "name of the stage"]
    key: Annotated[str, "sha256 over inputs, code version, parameters and weights"]
    inputs: Annotated[Strings, "sha256 of the inputs"]
    code_version: Annotated[str, "version of the code of the stage"]
    parameters: Annotated[str, "JSON"]
    weights: Annotated[str, "JSON, file to sha256; {} for none"]
    output: Annotated[str, "sha256 over the rows of the output"]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: the class of its rows, whether it has one file per clip or per dataset, and its key."""

    name: str
    row: type[Any]
    per_clip: bool
    key: tuple[str, ...]


TABLES: dict[str, TableSpec] = {
    table.name: table
    for table in (
        TableSpec("sources", SourceRow, per_clip=False, key=("source",)),
        TableSpec("clips", ClipRow, per_clip=False, key=("clip",)),
        TableSpec("tracks", TrackRow, per_clip=False, key=("clip", "track")),
        TableSpec("concepts", ConceptRow, per_clip=False, key=("clip", "phrase")),
        TableSpec("captions", CaptionRow, per_clip=False, key=()),
        TableSpec("assets", AssetRow, per_clip=False, key=("clip", "track", "kind")),
        TableSpec("scores", ScoreRow, per_clip=False, key=()),
        TableSpec("decisions", DecisionRow, per_clip=False, key=()),
        TableSpec("lineage", LineageRow, per_clip=False, key=("clip", "stage")),
        TableSpec("frames", FrameRow, per_clip=True, key=("clip", "frame")),
        TableSpec("cameras", CameraRow, per_clip=True, key=("clip", "frame")),
        TableSpec("observations", ObservationRow, per_clip=True, key=("clip", "frame", "track")),
        TableSpec("features", FeatureRow, per_clip=True, key=()),
        TableSpec("actions", ActionRow, per_clip=True, key=("clip", "frame", "kind")),
    )
}


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A column of a Parquet file; `kind` is str, int, float, bool, bytes, strings or floats."""

    name: str
    kind: str
    nullable: bool
    doc: str


_KINDS: dict[Any, str] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    bytes: "bytes",
    Strings: "strings",
    Floats: "floats",
}


def list_columns(row: type[Any]) -> list[ColumnSpec]:
    """The columns of a row class, in order."""
    hints = get_type_hints(row, include_extras=True)
    columns = []
    for item in fields(row):
        annotation, doc = get_args(hints[item.name])
        nullable = False
        # the hint of an optional field: typing gives Union, the | operator types.UnionType
        if get_origin(annotation) in (Union, UnionType):
            annotation = next(part for part in get_args(annotation) if part is not type(None))
            nullable = True
        columns.append(ColumnSpec(item.name, _KINDS[annotation], nullable, doc))
    return columns
