"""Rows of objects: tracks, observations, appearance and assets."""

from dataclasses import dataclass
from typing import Annotated

from workers.datasets.schema.columns import Floats, Strings


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
    kept: Annotated[bool, "whether it passed every gate, or a person kept it"]
    failed: Annotated[Strings, "gates that it failed; a person may have kept it all the same"]
    flags: Annotated[
        Strings,
        "flags of the engine and of stages; divided: a part of an engine's track; joined: parts of several",
    ]


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
