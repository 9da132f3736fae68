"""The camera of each frame of a clip: what is given, else estimated, else static or unknown and flagged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.datasets.errors import DatasetError
from workers.datasets.schema import CameraRow
from workers.datasets.source import Source
from workers.datasets.stages.shots import ClipPlan
from workers.geometry.cameras import Camera

# features that move less than this between the ends of a clip: pixels at 320 on the longer side
STILL_PIXELS = 0.6
STILL_SHARE = 0.6
FEW_FEATURES = 24
LOOK_SIDE = 320

Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Poses:
    """World poses (T, 4, 4) of a clip's frames, and where they come from; `matrices` is None when unknown."""

    matrices: NDArray[np.float64] | None
    source: str
    scale: str | None
    confidence: float | None
    camera: Camera | None = None


Hidden = Callable[[int], NDArray[np.bool_]]
# pictures as JPEG, the camera, and what may move in a frame (H, W); None when the scene does not allow it
Solver = Callable[[Sequence[bytes], Camera, Hidden], Poses | None]


def intrinsics(source: Source, width: int, height: int) -> Camera:
    """The camera of stored frames of width x height; `source` is given or assumed."""
    given = source.info.camera
    if given is None:
        return Camera.assumed(width, height)
    full = Camera(source.width, source.height, given.fx, given.fy, given.cx, given.cy, source="given")
    return full.resized(width, height)


def given_poses(source: Source, plan: ClipPlan) -> Poses | None:
    """The poses that came with the source; raises DatasetError `cameras_mismatch` when there are too few."""
    motions = source.info.world_from_cam
    if motions is None:
        return None
    if plan.last >= len(motions):
        raise DatasetError(
            "cameras_mismatch",
            f"source {source.sha256[:12]} has frame {plan.last}, world_from_cam only {len(motions)} entries",
        )
    matrices = np.array([motions[frame] for frame in plan.frames], np.float64)
    return Poses(matrices, "given", source.info.scale, None)


class Stillness:
    """Whether the camera stood still: features of the first frame, looked for in later ones."""

    def __init__(self) -> None:
        self._first: Gray | None = None
        self._points: NDArray[np.float32] | None = None
        self._shifts: list[float] = []
        self._shares: list[float] = []

    def look(self, gray: Gray) -> None:
        """Compare a frame with the first; give it a few frames of the clip, the last among them."""
        height, width = gray.shape
        scale = min(1.0, LOOK_SIDE / max(height, width))
        small = cv2.resize(gray, (max(16, round(width * scale)), max(16, round(height * scale))))
        if self._first is None:
            self._first = small
            found = cv2.goodFeaturesToTrack(small, 200, 0.01, 5)
            self._points = None if found is None else np.asarray(found, np.float32)
            return
        if self._points is None or len(self._points) < FEW_FEATURES:
            return
        moved, status, _ = cv2.calcOpticalFlowPyrLK(self._first, small, self._points, None)
        kept = status.ravel() == 1
        if np.count_nonzero(kept) < FEW_FEATURES:
            self._shares.append(0.0)
            return
        shift = np.linalg.norm((moved - self._points).reshape(-1, 2)[kept], axis=1)
        self._shifts.append(float(np.median(shift)))
        self._shares.append(float(np.mean(shift < 2 * STILL_PIXELS)))

    @property
    def still(self) -> bool:
        """Most features stayed where they were in every frame that was looked at."""
        return (
            bool(self._shifts)
            and max(self._shifts) < STILL_PIXELS
            and min(self._shares, default=0.0) >= STILL_SHARE
        )


def static_poses(count: int) -> Poses:
    """A camera that does not move: the world is its frame, of unknown scale."""
    return Poses(np.broadcast_to(np.eye(4), (count, 4, 4)).copy(), "static", "relative", 0.5)


def rows(clip: str, camera: Camera, poses: Poses, count: int) -> list[CameraRow]:
    """A row for each frame."""
    own = poses.camera or camera
    found = []
    for frame in range(count):
        pose = None
        if poses.matrices is not None and np.isfinite(poses.matrices[frame]).all():
            pose = tuple(float(value) for value in poses.matrices[frame].ravel())
        found.append(
            CameraRow(
                clip,
                frame,
                own.fx,
                own.fy,
                own.cx,
                own.cy,
                pose,
                poses.source if pose is not None else "unknown",
                own.source,
                poses.confidence if pose is not None else None,
            )
        )
    return found
