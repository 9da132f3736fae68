"""The canonical schema: one frozen dataclass a table; Parquet columns and docs/schema.md come from these.

Conventions hold everywhere: OpenCV camera axes (x right, y down, z forward), pixel centres at +0.5, boxes
xyxy end-exclusive, masks COCO compressed RLE, quaternions wxyz, z-depth. A value nobody knows is null, never
zero. A version of the schema only gains nullable columns; anything else raises SCHEMA_VERSION.
"""

from dataclasses import dataclass, fields
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
    """A medium that went in, and what its owner allows."""

    source: Annotated[str, "sha256 of the file; key"]
    name: Annotated[str | None, "what the submitter calls it"]
    width: Annotated[int, "pixels of the upright picture"]
    height: Annotated[int, "pixels of the upright picture"]
    frames: Annotated[int, "frames that were decoded"]
    frame_rate: Annotated[float | None, "frames a second of the medium; null where it tells none"]
    time_base_numerator: Annotated[int, "seconds of a tick: numerator"]
    time_base_denominator: Annotated[int, "seconds of a tick: denominator"]
    licence: Annotated[str | None, "SPDX id or words of the submitter; null is unknown"]
    consent: Annotated[str | None, "consent of the people shown, in the submitter's words; null is unknown"]
    attribution: Annotated[str | None, "whom to name"]
    session: Annotated[str | None, "recordings of one session never straddle splits"]
    split_group: Annotated[str, "id of the connected component over source, session and near-duplicates"]
    split: Annotated[str, "train, val or test"]
    shots: Annotated[int, "shots found in the decoded frames"]
    flags: Annotated[Strings, "time_assumed: frames came numbered, without times"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """A piece of one shot; rejected clips keep their row, with kept = false and no shards."""

    clip: Annotated[str, "id: 20 hex digits of a hash over source, frames, step and size; key"]
    source: Annotated[str, "its medium, in sources"]
    session: Annotated[str | None, "the session of its source"]
    split_group: Annotated[str, "the component of its source"]
    split: Annotated[str, "train, val or test"]
    shot: Annotated[int, "which shot of its source, from 0"]
    first_frame: Annotated[int, "first decoded frame of the source"]
    last_frame: Annotated[int, "last decoded frame of the source, inclusive"]
    frame_step: Annotated[int, "every n-th decoded frame is kept"]
    frames: Annotated[int, "frames that are kept"]
    start_seconds: Annotated[float, "time of the first frame in the source"]
    end_seconds: Annotated[float, "time of the last frame in the source"]
    frame_rate: Annotated[float | None, "kept frames a second; null for a clip of one frame"]
    width: Annotated[int, "pixels of the stored frames"]
    height: Annotated[int, "pixels of the stored frames"]
    camera_source: Annotated[str, "of the poses: given, colmap, static or unknown"]
    intrinsics_source: Annotated[str, "given, exif, colmap or assumed"]
    scale_source: Annotated[str | None, "of the world: metric, prior or relative; null without poses"]
    signature: Annotated[str, "perceptual hashes of three frames, 3 x 16 hex digits"]
    kept: Annotated[bool, "whether it passed the clip gates"]
    flags: Annotated[Strings, "camera_unknown, camera_assumed, nothing_found, ..."]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRow:
    """A stored picture."""

    clip: Annotated[str, "in clips"]
    frame: Annotated[int, "place in the clip, from 0; key with clip"]
    source_frame: Annotated[int, "place among the decoded frames of the source"]
    pts: Annotated[int, "time in ticks of the source's time base"]
    jpeg: Annotated[bytes, "the picture, JPEG, sRGB, width x height of the clip"]
    jpeg_sha256: Annotated[str, "address of the picture's bytes"]
    depth_png: Annotated[bytes | None, "z-depth, 16-bit PNG in depth_unit, 0 is unknown; null without depth"]
    depth_unit: Annotated[float | None, "metres (or camera units) of one level of depth_png"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRow:
    """The camera of a stored frame, in pixels of that frame."""

    clip: Annotated[str, "in clips"]
    frame: Annotated[int, "in frames; key with clip"]
    fx: Annotated[float, "pixels"]
    fy: Annotated[float, "pixels"]
    cx: Annotated[float, "pixels; the image's left edge is 0"]
    cy: Annotated[float, "pixels; the image's top edge is 0"]
    world_from_cam: Annotated[Floats | None, "4x4 row-major, rigid; null where no pose is known"]
    source: Annotated[str, "of the pose: given, colmap, static or unknown"]
    intrinsics_source: Annotated[str, "given, exif, colmap or assumed"]
    confidence: Annotated[float | None, "of the pose, 0 to 1; null where nothing measures it"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRow:
    """An object through a clip; rejected tracks keep their row, with kept = false and no observations."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int, "id within the clip, from 1; key with clip"]
    concept: Annotated[str | None, "the phrase that found it; null for oracle tracks without one"]
    label: Annotated[str | None, "what the engine calls it"]
    first_frame: Annotated[int, "first frame it is seen in"]
    last_frame: Annotated[int, "last frame it is seen in, inclusive"]
    frames: Annotated[int, "frames it is seen in"]
    mean_score: Annotated[float | None, "mean confidence of its masks"]
    mean_area: Annotated[float, "mean pixels of its masks"]
    visible_fraction: Annotated[float, "frames it is seen in over frames from first to last"]
    size: Annotated[Floats | None, "x, y, z lengths of its box in its own axes; null without a 3D box"]
    scale_source: Annotated[str | None, "metric, prior or relative; null without a 3D box"]
    reference_frame: Annotated[int | None, "the frame that shows it best"]
    kept: Annotated[bool, "whether it passed every gate"]
    failed: Annotated[Strings, "gates it failed"]
    flags: Annotated[Strings, "of the engine and of the stages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationRow:
    """A kept track in a frame: box, mask, and its oriented 3D box in camera and world."""

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
    area: Annotated[int, "pixels of the mask"]
    depth: Annotated[float | None, "median z-depth over the mask; null without depth"]
    center_cam: Annotated[Floats | None, "centre of the 3D box in camera axes, x y z"]
    rotation_cam: Annotated[Floats | None, "box axes to camera axes, quaternion wxyz"]
    center_world: Annotated[Floats | None, "centre in the world; null without a camera pose"]
    rotation_world: Annotated[Floats | None, "box axes to world axes, wxyz; null without a camera pose"]
    size: Annotated[Floats | None, "lengths of the box along its own x, y, z"]
    scale_source: Annotated[str | None, "metric, prior or relative"]
    box3d_source: Annotated[str | None, "given, depth, multiview or prior"]
    box3d_confidence: Annotated[float | None, "0 to 1; a prior never has more than 0.3"]
    flags: Annotated[Strings, "occluded, truncated, scale_not_metric, rotation_unknown, assumed_still"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRow:
    """Appearance of a track in a frame: a reference crop, or a vector of an encoder."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int, "in tracks"]
    frame: Annotated[int, "in frames"]
    kind: Annotated[str, "crop or vector"]
    encoder: Annotated[str | None, "name and version of what made the vector; null for a crop"]
    rank: Annotated[int, "0 is the best view"]
    x0: Annotated[float, "the crop's window in pixels of the frame; may reach past the frame"]
    y0: Annotated[float, "pixels"]
    x1: Annotated[float, "pixels, exclusive"]
    y1: Annotated[float, "pixels, exclusive"]
    jpeg: Annotated[bytes | None, "square crop with the background kept; null for a vector"]
    vector: Annotated[Floats | None, "the feature; null for a crop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRow:
    """A 3D asset of a track, stored as a file of its own named by its hash."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int, "in tracks"]
    frame: Annotated[int, "the view it was made from"]
    kind: Annotated[str, "mesh, splat or body"]
    file: Annotated[str, "name in the dataset's folder"]
    sha256: Annotated[str, "of the file"]
    media_type: Annotated[str, "of the file"]
    bytes: Annotated[int, "of the file"]
    rotation: Annotated[Floats, "canonical frame to camera axes, wxyz"]
    translation: Annotated[Floats, "canonical frame to camera axes, x y z"]
    scale: Annotated[float, "p_cam = scale * R p + t"]
    scale_source: Annotated[str, "metric, prior or relative"]
    confidence: Annotated[float, "0 to 1"]
    silhouette_iou: Annotated[float | None, "of the asset's outline with the mask"]
    engine: Annotated[str, "name and version"]
    flags: Annotated[Strings, "of the engine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """What moved between a frame and the next one."""

    clip: Annotated[str, "in clips"]
    frame: Annotated[int, "from this frame to the next; the last frame has no row"]
    kind: Annotated[str, "ego_motion, recorded or inferred"]
    names: Annotated[Strings, "names of the values"]
    values: Annotated[
        Floats, "ego_motion: next camera in this camera's axes, translation and rotation vector"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRow:
    """Words about a clip or a track."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null: of the whole clip"]
    kind: Annotated[str, "composed (from measured facts), engine or given"]
    text: Annotated[str, "one or two sentences, English"]
    engine: Annotated[str, "who wrote it"]
    score: Annotated[float | None, "share of its facts that hold in another frame; null: none is judged"]
    kept: Annotated[bool | None, "whether it passed caption_alignment; null without that gate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptRow:
    """A phrase that was asked of a clip; found = 0 makes it a negative."""

    clip: Annotated[str, "in clips"]
    phrase: Annotated[str, "as it was asked; key with clip"]
    found: Annotated[int, "tracks of it before the gates"]
    kept: Annotated[int, "tracks of it after the gates"]
    engine: Annotated[str, "who looked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """A measured number of a clip or a track."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null: of the whole clip"]
    stage: Annotated[str, "who measured"]
    name: Annotated[str, "what"]
    value: Annotated[float | None, "null: it could not be measured here"]
    unit: Annotated[str, "of the value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """What a gate decided, with the score and the bounds it went by; every one is kept."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null: of the whole clip"]
    gate: Annotated[str, "name of the gate; caption_alignment is of a caption, in the order of captions"]
    score: Annotated[float | None, "null: not measured, and then it passes"]
    low: Annotated[float | None, "passes at or above; null: no lower bound"]
    high: Annotated[float | None, "passes at or below; null: no upper bound"]
    passed: Annotated[bool, "the decision"]
    policy: Annotated[str, "name and version of the policy"]
    reason: Annotated[
        str | None, "code of why a clip could not be worked on; null for gates that go by bounds"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRow:
    """Which stage made what from what; the same key always gives the same output."""

    clip: Annotated[str, "in clips"]
    stage: Annotated[str, "name of the stage"]
    key: Annotated[str, "sha256 over inputs, code version, parameters and weights"]
    inputs: Annotated[Strings, "sha256 of what went in"]
    code_version: Annotated[str, "of the stage's code"]
    parameters: Annotated[str, "JSON"]
    weights: Annotated[str, "JSON: file to sha256; {} for none"]
    output: Annotated[str, "sha256 over the rows it made"]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: its row, and whether it is one file for the part or one file (one row group) a clip."""

    name: str
    row: type[Any]
    per_clip: bool
    key: tuple[str, ...]


TABLES: dict[str, TableSpec] = {
    table.name: table
    for table in (
        TableSpec("sources", SourceRow, False, ("source",)),
        TableSpec("clips", ClipRow, False, ("clip",)),
        TableSpec("tracks", TrackRow, False, ("clip", "track")),
        TableSpec("concepts", ConceptRow, False, ("clip", "phrase")),
        TableSpec("captions", CaptionRow, False, ()),
        TableSpec("assets", AssetRow, False, ("clip", "track", "kind")),
        TableSpec("scores", ScoreRow, False, ()),
        TableSpec("decisions", DecisionRow, False, ()),
        TableSpec("lineage", LineageRow, False, ("clip", "stage")),
        TableSpec("frames", FrameRow, True, ("clip", "frame")),
        TableSpec("cameras", CameraRow, True, ("clip", "frame")),
        TableSpec("observations", ObservationRow, True, ("clip", "frame", "track")),
        TableSpec("features", FeatureRow, True, ()),
        TableSpec("actions", ActionRow, True, ("clip", "frame", "kind")),
    )
}


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A column as Parquet has it: kind is str, int, float, bool, bytes, strings or floats."""

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
    found = []
    for item in fields(row):
        inner, doc = get_args(hints[item.name])
        nullable = False
        # Optional[Annotated] of a `X | None` hint: typing gives Union, the | operator types.UnionType
        if get_origin(inner) is Union or str(get_origin(inner)) == "<class 'types.UnionType'>":
            inner = next(part for part in get_args(inner) if part is not type(None))
            nullable = True
        found.append(ColumnSpec(item.name, _KINDS[inner], nullable, doc))
    return found
