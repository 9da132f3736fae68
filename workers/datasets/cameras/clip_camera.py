"""The camera of a clip: given with the source, standing still, or with unknown poses and flagged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.datasets.clip_plan import ClipPlan
from workers.datasets.errors import DatasetError
from workers.datasets.schema import CameraRow
from workers.datasets.source import Source
from workers.geometry.cameras import Camera

Array = NDArray[np.float64]
# confidence of the poses of a camera that stands still: chosen, not measured
STATIC_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipCamera:
    """Intrinsics in pixels of the stored frames, and a pose per frame.

    `poses` are world_from_cam (T, 4, 4), NaN for frames without one, None when none is known. `source` says
    where they come from (given, static, colmap, unknown), `scale` what a unit of the world is (metric,
    prior, relative, None without poses), `confidence` lies in 0..1 and is None where nothing measures it.
    """

    intrinsics: Camera
    poses: Array | None = None
    source: str = "unknown"
    scale: str | None = None
    confidence: float | None = None

    def pose(self, frame: int) -> Array | None:
        """world_from_cam (4, 4) of a frame, None where it is unknown."""
        if self.poses is None or not np.isfinite(self.poses[frame]).all():
            return None
        return np.asarray(self.poses[frame])


# the mask (H, W) of what may move on its own in a frame, by the frame's number
MovingMask = Callable[[int], NDArray[np.bool_]]
# frames as JPEG files, intrinsics or a first guess of them, and what may move; None when poses cannot be
# found
PoseSolver = Callable[[Sequence[bytes], Camera, MovingMask], ClipCamera | None]


def build_intrinsics(source: Source, width: int, height: int) -> Camera:
    """The intrinsics of stored frames of width x height; their `source` is given or assumed."""
    given = source.info.camera
    if given is None:
        return Camera.assumed(width, height)
    full = Camera(source.width, source.height, given.fx, given.fy, given.cx, given.cy, source="given")
    return full.resized(width, height)


def load_given_camera(source: Source, plan: ClipPlan, intrinsics: Camera) -> ClipCamera | None:
    """The poses that came with the source, None without; raises DatasetError `cameras_mismatch`."""
    motions = source.info.world_from_cam
    if motions is None:
        return None
    if plan.last >= len(motions):
        raise DatasetError(
            "cameras_mismatch",
            f"source {source.sha256[:12]} has frame {plan.last}, world_from_cam only {len(motions)} entries",
        )
    poses = np.array([motions[frame] for frame in plan.frames], np.float64)
    return ClipCamera(intrinsics=intrinsics, poses=poses, source="given", scale=source.info.scale)


def make_static_camera(intrinsics: Camera, count: int, *, metric: bool) -> ClipCamera:
    """A camera that does not move for `count` frames: the world is its frame; depth gives it a scale."""
    return ClipCamera(
        intrinsics=intrinsics,
        poses=np.broadcast_to(np.eye(4), (count, 4, 4)).copy(),
        source="static",
        scale="metric" if metric else "relative",
        confidence=STATIC_CONFIDENCE,
    )


def build_camera_rows(clip: str, camera: ClipCamera, count: int) -> list[CameraRow]:
    """A row for each of `count` frames."""
    return [_build_row(clip, camera, frame) for frame in range(count)]


def _build_row(clip: str, camera: ClipCamera, frame: int) -> CameraRow:
    pose, intrinsics = camera.pose(frame), camera.intrinsics
    return CameraRow(
        clip=clip,
        frame=frame,
        fx=intrinsics.fx,
        fy=intrinsics.fy,
        cx=intrinsics.cx,
        cy=intrinsics.cy,
        world_from_cam=None if pose is None else tuple(float(value) for value in pose.ravel()),
        source="unknown" if pose is None else camera.source,
        intrinsics_source=intrinsics.source,
        confidence=None if pose is None else camera.confidence,
    )
