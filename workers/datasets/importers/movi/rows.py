"""Rows of the source, clip, frames, cameras and tracks of a MOVi example."""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.shared.encoding import encode_jpeg
from workers.datasets.frame_rates import to_rational_rate
from workers.datasets.importers.movi.example import MoviExample
from workers.datasets.schema import CameraRow, ClipRow, FrameRow, ObservationRow, SourceRow, TrackRow
from workers.datasets.shots.near_duplicates import PLACES, format_signature
from workers.datasets.shots.survey import compute_dct_hash, downscale

JPEG_QUALITY = 95
MICROSECONDS = 1_000_000
# of a 16-bit PNG
LARGEST_LEVEL = 65535


def build_source_row(example: MoviExample, split: str) -> SourceRow:
    """The example as a source of its own."""
    height, width = example.size
    return SourceRow(
        source=example.digest,
        name=example.name,
        width=width,
        height=height,
        frames=len(example),
        frame_rate=example.rate,
        time_base_numerator=1,
        time_base_denominator=MICROSECONDS,
        licence=example.licence,
        consent=None,
        attribution=None,
        session=None,
        split_group=example.digest,
        split=split,
        shots=1,
        flags=("time_assumed",) if example.rate_assumed else (),
    )


def build_clip_row(example: MoviExample, split: str) -> ClipRow:
    """The example as the only clip of its source."""
    height, width = example.size
    count, rate = len(example), to_rational_rate(example.rate)
    frames = [min(count - 1, int(place * count)) for place in PLACES]
    hashes = np.array([compute_dct_hash(_to_luma(example.video[frame])) for frame in frames], np.uint64)
    return ClipRow(
        clip=example.clip,
        source=example.digest,
        session=None,
        split_group=example.digest,
        split=split,
        shot=0,
        first_frame=0,
        last_frame=count - 1,
        frame_step=1,
        frames=count,
        start_seconds=0.0,
        end_seconds=(count - 1) / example.rate,
        frame_rate=example.rate if count > 1 else None,
        frame_rate_numerator=rate.numerator if count > 1 else None,
        frame_rate_denominator=rate.denominator if count > 1 else None,
        width=width,
        height=height,
        camera_source=example.camera_source,
        intrinsics_source=example.intrinsics_source,
        scale_source=example.scale_source,
        signature=format_signature(hashes),
        kept=True,
        flags=(),
    )


def build_frame_rows(example: MoviExample) -> list[FrameRow]:
    """One row per frame, with JPEG and z-depth."""
    return [_build_frame_row(example, frame) for frame in range(len(example))]


def _build_frame_row(example: MoviExample, frame: int) -> FrameRow:
    jpeg = encode_jpeg(example.video[frame], quality=JPEG_QUALITY, subsampling=0)
    png, unit = (None, None) if example.depth is None else _encode_depth(example.depth[frame])
    return FrameRow(
        clip=example.clip,
        frame=frame,
        source_frame=frame,
        pts=round(frame / example.rate * MICROSECONDS),
        jpeg=jpeg,
        jpeg_sha256=hashlib.sha256(jpeg).hexdigest(),
        depth_png=png,
        depth_unit=unit,
    )


def build_camera_rows(example: MoviExample) -> list[CameraRow]:
    """One row per frame; the intrinsics are the same in all."""
    k = example.intrinsics
    return [
        CameraRow(
            clip=example.clip,
            frame=frame,
            fx=k[0, 0],
            fy=k[1, 1],
            cx=k[0, 2],
            cy=k[1, 2],
            world_from_cam=tuple(float(value) for value in pose.ravel()),
            source=example.camera_source,
            intrinsics_source=example.intrinsics_source,
            confidence=None,
        )
        for frame, pose in enumerate(example.world_from_cam)
    ]


def build_track_rows(example: MoviExample, observations: Sequence[ObservationRow]) -> list[TrackRow]:
    """One row per instance that is seen in any frame."""
    tracks = sorted({row.track for row in observations})
    return [
        _build_track_row(example, track, [row for row in observations if row.track == track])
        for track in tracks
    ]


def _build_track_row(example: MoviExample, track: int, observations: Sequence[ObservationRow]) -> TrackRow:
    first, last = observations[0].frame, observations[-1].frame
    best = max(observations, key=lambda row: row.area)
    return TrackRow(
        clip=example.clip,
        track=track,
        concept=None,
        label=example.labels[track - 1],
        first_frame=first,
        last_frame=last,
        frames=len(observations),
        mean_score=1.0,
        mean_area=float(np.mean([row.area for row in observations])),
        visible_fraction=len(observations) / (last - first + 1),
        size=best.size,
        scale_source=best.scale_source,
        reference_frame=best.frame,
        kept=True,
        failed=(),
        flags=(),
    )


def _encode_depth(depth: NDArray[np.float64]) -> tuple[bytes, float]:
    """z-depth as a 16-bit PNG, and its unit; 0 is unknown, so levels begin at 1."""
    unit = float(np.nanmax(depth)) / LARGEST_LEVEL if np.isfinite(depth).any() else 1.0
    levels = np.where(np.isfinite(depth), np.maximum(np.rint(depth / unit), 1), 0).astype(np.uint16)
    succeeded, data = cv2.imencode(".png", levels)
    assert succeeded
    return data.tobytes(), unit


def _to_luma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(downscale(image), cv2.COLOR_RGB2GRAY), np.uint8)
