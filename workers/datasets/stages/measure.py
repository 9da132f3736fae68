"""The one walk over a clip's pictures: store, follow, measure. Memory is bounded by tracks, not by pixels."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from media.sandbox import DecodedFrame
from workers.datasets import oriented_boxes
from workers.datasets.appearance.crops import Crop, CropSelector
from workers.datasets.cameras.clip_camera import StillCameraDetector, build_camera
from workers.datasets.errors import DatasetError
from workers.datasets.gates.track_metrics import TrackedMask, TrackMetrics, TrackStats
from workers.datasets.images import fit_size, resize_area, resize_mask
from workers.datasets.schema import FrameRow
from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.source import ClipTracker, DepthReader, Source
from workers.datasets.stopwatch import Stopwatch
from workers.engines.protocols import Box, FrameResult, Rgb
from workers.formats.rle import Rle, encode_mask
from workers.geometry.boxes import bounding_box

JPEG_QUALITY = 92
STILL_LOOKS = 6
POINTS = 256
DEPTH_LEVELS = 65_535


@dataclass(frozen=True, slots=True)
class TrackObservation:
    """A track in a frame. `points` are camera-frame samples (N, 3) of its surface where depth is known."""

    frame: int
    box: Box
    score: float | None
    mask: Rle
    area: int
    depth: float | None
    points: NDArray[np.float64] | None
    flags: tuple[str, ...]


@dataclass(slots=True)
class TrackedClip:
    """Everything that later stages need of a clip."""

    size: tuple[int, int]
    frames: list[FrameRow] = field(default_factory=list)
    seen: dict[int, list[TrackObservation]] = field(default_factory=dict)
    prompts: dict[int, int] = field(default_factory=dict)
    labels: dict[int, str | None] = field(default_factory=dict)
    crops: dict[int, list[Crop]] = field(default_factory=dict)
    courses: dict[int, TrackStats] = field(default_factory=dict)
    still: bool = False


class ClipMeasurer:
    """Takes the frames of one clip in order."""

    def __init__(
        self,
        source: Source,
        plan: ClipPlan,
        tracks: ClipTracker,
        depths: DepthReader,
        size: int,
        track_size: int,
        crops: int,
        clock: Stopwatch,
    ) -> None:
        self._clock = clock
        self._plan, self._tracks, self._depths = plan, tracks, depths
        self._count = len(plan.frames)
        self._stored = fit_size(source.width, source.height, size)
        self._tracked = fit_size(source.width, source.height, max(size, track_size))
        self._camera = build_camera(source, *self._stored)
        self._meters = TrackMetrics()
        self._stillness = StillCameraDetector()
        self._looks = {round(k * (self._count - 1) / STILL_LOOKS) for k in range(STILL_LOOKS + 1)}
        self._crops = CropSelector(crops, self._count)
        # pictures whose results the tracker still holds back
        self._pending: dict[int, tuple[Rgb, Rgb, NDArray[np.float32] | None]] = {}
        self._out = TrackedClip((self._stored[1], self._stored[0]))

    def step(self, frame: DecodedFrame) -> None:
        """Take the next kept frame; raises DatasetError `depth_mismatch` for depth of another shape."""
        local = len(self._out.frames)
        with self._clock("pictures"):
            tracked = resize_area(frame.pixels, self._tracked)
            stored = resize_area(tracked, self._stored)
            depth = self._depth(frame)
            self._out.frames.append(self._row(local, frame, stored, depth))
        if local in self._looks:
            self._stillness.look(cv2.cvtColor(stored, cv2.COLOR_RGB2GRAY))
        self._pending[local] = (stored, tracked, depth)
        with self._clock("engine"):
            results = self._tracks.step(frame.index, local, frame.pts, tracked)
        with self._clock("measure"):
            self._note(results)

    def finish(self) -> TrackedClip:
        """What was found."""
        with self._clock("engine"):
            results = self._tracks.finish()
        self._note(results)
        self._out.courses = self._meters.courses
        self._out.crops = self._crops.chosen()
        self._out.still = self._stillness.still
        return self._out

    def _note(self, results: Sequence[FrameResult]) -> None:
        for result in results:
            stored, tracked, depth = self._pending.pop(result.index)
            sightings = {}
            for item in result.objects:
                mask = resize_mask(item.mask, self._stored)
                if not mask.any():
                    continue
                scale = self._stored[0] / item.mask.shape[1], self._stored[1] / item.mask.shape[0]
                given = (
                    item.box[0] * scale[0],
                    item.box[1] * scale[1],
                    item.box[2] * scale[0],
                    item.box[3] * scale[1],
                )
                sightings[item.id] = TrackedMask(mask, given, item.prompt)
                tight = bounding_box(mask)
                area = int(np.count_nonzero(mask))
                points = None if depth is None else self._points(depth, mask)
                seen = TrackObservation(
                    result.index,
                    tight,
                    item.score,
                    encode_mask(mask),
                    area,
                    float(np.median(points[:, 2])) if points is not None and len(points) else None,
                    points,
                    tuple(item.flags),
                )
                self._out.seen.setdefault(item.id, []).append(seen)
                self._out.prompts.setdefault(item.id, item.prompt)
                self._out.labels.setdefault(item.id, item.label)
                self._crops.offer(item.id, result.index, tracked, item.box, item.score, area, item.flags)
            self._meters.step(result.index, stored, sightings)

    def _points(self, depth: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        found = oriented_boxes.back_project(depth, mask, self._camera.matrix())
        return found[:: max(1, len(found) // POINTS)]

    def _depth(self, frame: DecodedFrame) -> NDArray[np.float32] | None:
        given = self._depths.at(frame.index)
        if given is None:
            return None
        if given.shape != frame.pixels.shape[:2]:
            raise DatasetError(
                "depth_mismatch", f"depth {given.shape} does not fit the picture {frame.pixels.shape[:2]}"
            )
        return np.asarray(cv2.resize(given, self._stored, interpolation=cv2.INTER_NEAREST), np.float32)

    def _row(
        self, local: int, frame: DecodedFrame, stored: Rgb, depth: NDArray[np.float32] | None
    ) -> FrameRow:
        picture = encode_jpeg(stored)
        packed, unit = (None, None) if depth is None else pack_depth(depth)
        digest = hashlib.sha256(picture).hexdigest()
        return FrameRow(
            clip=self._plan.id,
            frame=local,
            source_frame=frame.index,
            pts=frame.pts,
            jpeg=picture,
            jpeg_sha256=digest,
            depth_png=packed,
            depth_unit=unit,
        )


def encode_jpeg(image: Rgb) -> bytes:
    """RGB as JPEG."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    assert done
    return data.tobytes()


def pack_depth(depth: NDArray[np.float32]) -> tuple[bytes, float]:
    """z-depth f32 (H, W) as 16-bit PNG, 0 where unknown, and the depth of one level."""
    known = np.isfinite(depth) & (depth > 0)
    farthest = float(depth[known].max()) if known.any() else 1.0
    unit = farthest / DEPTH_LEVELS
    levels = np.where(known, np.clip(np.round(np.where(known, depth, 0) / unit), 1, DEPTH_LEVELS), 0)
    out = io.BytesIO()
    Image.fromarray(levels.astype(np.uint16)).save(out, "PNG", compress_level=3)
    return out.getvalue(), unit
