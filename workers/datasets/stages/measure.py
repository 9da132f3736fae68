"""Reads the frames of a clip once: stores them, and measures their tracks.

Memory is bounded by the number of tracks, not by pixels.
"""

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.datasets import oriented_boxes
from workers.datasets.appearance.crops import CropSelector
from workers.datasets.cameras.clip_camera import build_intrinsics
from workers.datasets.cameras.still_camera import StillCameraDetector
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.clip_frames import ClipFrame
from workers.datasets.errors import DatasetError
from workers.datasets.gates.track_metrics import TrackedMask, TrackMetrics
from workers.datasets.images import encode_jpeg, fit_size, pack_depth, resize_area, resize_mask
from workers.datasets.observations import TrackedClip, TrackObservation
from workers.datasets.regrouped_tracks import regroup_tracks
from workers.datasets.schema import FrameRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import DepthReader
from workers.datasets.stages.base import ClipStage
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.tasks import ClipTask
from workers.engines.protocols import Box, Mask, Rgb, TrackedInstance
from workers.formats.rle import encode_mask
from workers.geometry.boxes import bounding_box

# frames that are compared with the first one to see whether the camera moved; chosen for speed
STILL_COMPARISONS = 6
# points of a track's surface per frame; chosen for memory
POINTS = 256

DepthMap = NDArray[np.float32]


class MeasureStage(ClipStage):
    """Adds `tracked`: frames as rows, observations, crops and statistics of tracks."""

    name = "measure"
    version = "7"

    def __init__(self, settings: DatasetSettings, stopwatch: Stopwatch) -> None:
        self._settings, self._stopwatch = settings, stopwatch

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The size of stored frames, and the number of crops per track."""
        return {"size": self._settings.size, "crops": self._settings.crops}

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Read the frames to their end; raises DatasetError `depth_mismatch` for depth of another shape."""
        plan = batch.task.plan
        measurement = _Measurement(batch.task, self._settings, self._stopwatch)
        with closing(batch.task.source.open_depth(plan.first, plan.frames[-1])) as depth:
            for frame in batch.frames:
                measurement.add(frame, depth)
        return replace(batch, tracked=measurement.finish())


class _Measurement:
    """What is collected from the frames of one clip."""

    def __init__(self, task: ClipTask, settings: DatasetSettings, stopwatch: Stopwatch) -> None:
        self._plan, self._stopwatch = task.plan, stopwatch
        self._size = fit_size(task.source.width, task.source.height, settings.size)
        self._intrinsics = build_intrinsics(task.source, *self._size).matrix()
        self._metrics = TrackMetrics()
        self._still = StillCameraDetector()
        count = len(task.plan.frames)
        self._points = None if task.plan.points is None else list(task.plan.points)
        self._time_errors = task.plan.time_errors
        self._compared = {round(k * (count - 1) / STILL_COMPARISONS) for k in range(STILL_COMPARISONS + 1)}
        interval = float(np.median(np.diff(task.plan.times))) if count > 1 else 0.0
        self._crops = CropSelector(settings.crops, count, interval)
        self._out = TrackedClip(size=(self._size[1], self._size[0]))

    def add(self, frame: ClipFrame, depth_reader: DepthReader) -> None:
        """Take the next frame."""
        with self._stopwatch("pictures"):
            image = resize_area(frame.image, self._size)
            depth = self._read_depth(frame, depth_reader)
            self._out.frames.append(self._build_row(frame, image, depth))
        if frame.number in self._compared:
            self._still.add(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        if frame.tracks is None:
            return
        self._out.searched += 1
        masks = {}
        for item in frame.tracks.objects:
            mask = resize_mask(item.mask, self._size)
            if mask.any():
                box = self._scale_box(item)
                masks[item.id] = TrackedMask(mask, box, item.prompt, item.margin, item.merged)
                self._observe(frame, item, mask, depth)
        self._metrics.add(frame.number, image, masks)

    def finish(self) -> TrackedClip:
        """What was collected."""
        self._out.stats = self._metrics.stats
        self._out.crops = self._crops.views
        self._out.camera_is_still = self._still.is_still
        tracked = regroup_tracks(self._out, self._plan.times)
        crops = {track: self._crops.select(views) for track, views in tracked.crops.items()}
        return replace(tracked, crops=crops)

    def _observe(self, frame: ClipFrame, item: TrackedInstance, mask: Mask, depth: DepthMap | None) -> None:
        area = int(np.count_nonzero(mask))
        points = None if depth is None else self._sample_points(depth, mask)
        observation = TrackObservation(
            frame=frame.number,
            box=bounding_box(mask),
            score=item.score,
            mask=encode_mask(mask),
            area=area,
            depth=float(np.median(points[:, 2])) if points is not None and len(points) else None,
            points=points,
            flags=tuple(item.flags),
        )
        self._out.observations.setdefault(item.id, []).append(observation)
        self._out.prompts.setdefault(item.id, item.prompt)
        self._out.labels.setdefault(item.id, item.label)
        self._crops.offer(item.id, frame.number, frame.image, item.box, item.score, area, item.flags)

    def _scale_box(self, item: TrackedInstance) -> Box:
        """The engine's box in pixels of the stored frame."""
        x, y = self._size[0] / item.mask.shape[1], self._size[1] / item.mask.shape[0]
        return item.box[0] * x, item.box[1] * y, item.box[2] * x, item.box[3] * y

    def _sample_points(self, depth: DepthMap, mask: Mask) -> NDArray[np.float64]:
        points = oriented_boxes.back_project(depth, mask, self._intrinsics)
        return points[:: max(1, len(points) // POINTS)]

    def _read_depth(self, frame: ClipFrame, reader: DepthReader) -> DepthMap | None:
        """z f32 (H, W) at the size of stored frames, None without depth."""
        depth = reader.at(frame.source_frame)
        if depth is None:
            return None
        if depth.shape != frame.source_shape:
            raise DatasetError(
                "depth_mismatch", f"depth {depth.shape} does not fit the frame {frame.source_shape}"
            )
        return np.asarray(cv2.resize(depth, self._size, interpolation=cv2.INTER_NEAREST), np.float32)

    def _build_row(self, frame: ClipFrame, image: Rgb, depth: DepthMap | None) -> FrameRow:
        jpeg = encode_jpeg(image)
        packed, unit = (None, None) if depth is None else pack_depth(depth)
        plan = self._plan
        return FrameRow(
            clip=plan.id,
            frame=frame.number,
            source_frame=frame.source_frame,
            pts=frame.pts,
            jpeg=jpeg,
            jpeg_sha256=hashlib.sha256(jpeg).hexdigest(),
            depth_png=packed,
            depth_unit=unit,
            grid_point=None if self._points is None else self._points[frame.number],
            time_error_seconds=None if self._time_errors is None else self._time_errors[frame.number],
        )
