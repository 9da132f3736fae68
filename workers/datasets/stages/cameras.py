"""Finds the camera of a clip: given with the source, standing still, by structure from motion, or unknown."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.datasets.cameras.clip_camera import (
    ClipCamera,
    PoseSolver,
    build_camera_rows,
    build_intrinsics,
    load_given_camera,
    make_static_camera,
)
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.observations import TrackedClip
from workers.datasets.stages.base import ClipStage
from workers.formats.rle import decode_mask

# pixels around the masks of tracks that may move with them
RIM = np.ones((5, 5), np.uint8)


class CameraStage(ClipStage):
    """Adds the camera, the rows of `cameras`, and what the row of `clips` says about it."""

    name = "cameras"
    version = "3"
    reads_annotations = True

    def __init__(self, solver: PoseSolver | None) -> None:
        self._solver = solver

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The solver of poses."""
        if self._solver is None:
            return {"solver": None}
        return {"solver": getattr(self._solver, "name", type(self._solver).__name__)}

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Take the best poses there are; raises DatasetError `cameras_mismatch`."""
        camera = self._find_camera(batch)
        (height, width), count = batch.tracked.size, len(batch.tracked.frames)
        flags = {
            "camera_assumed": camera.intrinsics.source == "assumed",
            "camera_unknown": camera.source == "unknown",
        }
        clip = replace(
            batch.task.row,
            frames=count,
            width=width,
            height=height,
            camera_source=camera.source,
            intrinsics_source=camera.intrinsics.source,
            scale_source=camera.scale,
            flags=(*batch.task.row.flags, *(name for name, is_set in flags.items() if is_set)),
        )
        rows = build_camera_rows(batch.clip, camera, count)
        return replace(batch, camera=camera).with_rows(cameras=rows, clips=[clip])

    def _find_camera(self, batch: ClipBatch) -> ClipCamera:
        source, tracked = batch.task.source, batch.tracked
        height, width = tracked.size
        intrinsics = build_intrinsics(source, width, height)
        given = load_given_camera(source, batch.task.plan, intrinsics)
        if given is not None:
            return given
        if tracked.camera_is_still:
            return make_static_camera(intrinsics, len(tracked.frames), metric=source.has_depth)
        if self._solver is not None:
            images = [row.jpeg for row in tracked.frames]
            solved = self._solver(images, intrinsics, partial(_mask_tracks, tracked))
            if solved is not None:
                return solved
        return ClipCamera(intrinsics=intrinsics)


def _mask_tracks(tracked: TrackedClip, frame: int) -> NDArray[np.bool_]:
    """Where anything was tracked in a frame (H, W), with a rim: it may move on its own."""
    out = np.zeros(tracked.size, np.uint8)
    for observations in tracked.observations.values():
        for item in observations:
            if item.frame == frame:
                out |= decode_mask(item.mask)
    return np.asarray(cv2.dilate(out, RIM) > 0)
