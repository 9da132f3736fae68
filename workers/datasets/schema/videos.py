"""Rows of videos: sources, clips, frames and cameras."""

from dataclasses import dataclass
from typing import Annotated

from workers.datasets.schema.columns import Floats, Strings


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
        "was not given (integers are millimetres, floats metres); times_repaired: times went backwards and "
        "follow the rate of the stream; times_broken: they could not be repaired; variable_frame_rate: "
        "frames come unevenly; clock_jump: gaps that clips do not cross; frame_rate_below_grid: fewer frames "
        "per second than the job asks for; file_truncated, hdr_not_tone_mapped and others of the file itself",
    ]
    frame_rate_numerator: Annotated[
        int | None, "exact rate of even frames: numerator; null for uneven ones, and before schema version 3"
    ] = None
    frame_rate_denominator: Annotated[int | None, "exact rate of even frames: denominator"] = None


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
    frame_step: Annotated[int, "about every n-th decoded frame is stored"]
    frames: Annotated[int, "number of stored frames"]
    start_seconds: Annotated[float, "time of the first frame in the source"]
    end_seconds: Annotated[float, "time of the last frame in the source"]
    frame_rate: Annotated[
        float | None,
        "stored frames per second: that of the grid if it is complete, else the mean; null for one frame",
    ]
    width: Annotated[int, "pixels of the stored frames"]
    height: Annotated[int, "pixels of the stored frames"]
    camera_source: Annotated[str, "source of the camera poses: given, colmap, static or unknown"]
    intrinsics_source: Annotated[str, "source of the intrinsics: given, exif, colmap or assumed"]
    scale_source: Annotated[str | None, "scale of the world: metric, prior or relative; null without poses"]
    signature: Annotated[str, "perceptual hashes of three frames, 3 x 16 hex digits"]
    kept: Annotated[bool, "whether it passed every gate of clips"]
    flags: Annotated[
        Strings,
        "camera_unknown, camera_assumed, ...; nothing_found: every frame was searched in vain; "
        "tracks_rejected: tracks were found, none was kept; not_searched: the engine did not search every "
        "frame; grid_incomplete: points of the grid have no frame of their own; times_repaired and the like "
        "as in sources",
    ]
    action_kinds: Annotated[
        Strings | None,
        "kinds of actions that the clip has rows of, sorted: ego_motion, inferred, recorded; null before "
        "schema version 3",
    ] = None
    frame_rate_numerator: Annotated[
        int | None,
        "exact rate: frame k is the nearest to first frame + k / rate; numerator. Null where frames are "
        "uneven or points of the grid have none, and before schema version 3",
    ] = None
    frame_rate_denominator: Annotated[int | None, "exact rate: denominator"] = None
    max_time_error_seconds: Annotated[
        float | None, "largest distance of a frame from its point on the grid; null without a grid"
    ] = None


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
    grid_point: Annotated[
        int | None, "point of the clip's grid of times that it serves, from 0; null without a grid"
    ] = None
    time_error_seconds: Annotated[
        float | None, "its time minus that of its point on the grid; null without a grid"
    ] = None


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
