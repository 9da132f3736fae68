"""The camera of each frame of a clip: what is given, else estimated, else static or unknown and flagged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.datasets.errors import DatasetError
from workers.datasets.schema import CameraRow
from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.source import Source
from workers.geometry.cameras import Camera

# on 50 drawn clips with moving things, still cameras kept 0.36 to 0.68 of the blocks, moving ones none
STILL_SHARE = 0.25
GRID, REACH = 10, 3
LEAST_BLOCKS = 12
# grey levels: a flat block fits anywhere
LEAST_TEXTURE = 2.0
LOOK_SIDE = 320

Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CameraPoses:
    """World poses (T, 4, 4) of a clip's frames, and where they come from; `matrices` is None when unknown."""

    matrices: NDArray[np.float64] | None
    source: str
    scale: str | None
    confidence: float | None
    camera: Camera | None = None


MovingMask = Callable[[int], NDArray[np.bool_]]
# pictures as JPEG, the camera, and what may move in a frame (H, W); None when the scene does not allow it
PoseSolver = Callable[[Sequence[bytes], Camera, MovingMask], CameraPoses | None]


def build_camera(source: Source, width: int, height: int) -> Camera:
    """The camera of stored frames of width x height; `source` is given or assumed."""
    given = source.info.camera
    if given is None:
        return Camera.assumed(width, height)
    full = Camera(source.width, source.height, given.fx, given.fy, given.cx, given.cy, source="given")
    return full.resized(width, height)


def load_given_poses(source: Source, plan: ClipPlan) -> CameraPoses | None:
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
    return CameraPoses(matrices, "given", source.info.scale, None)


class StillCameraDetector:
    """Whether the camera stood still: blocks of the first frame, looked for around their place in later ones.

    Blocks work on soft walls, where the few corners there are belong to things that move.
    """

    def __init__(self) -> None:
        self._first: Gray | None = None
        self._shares: list[float] = []

    def look(self, gray: Gray) -> None:
        """Compare a frame with the first; give it a few frames of the clip, the last among them."""
        height, width = gray.shape
        scale = min(1.0, LOOK_SIDE / max(height, width))
        size = max(16, round(width * scale)), max(16, round(height * scale))
        small = cv2.GaussianBlur(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), (0, 0), 1)
        if self._first is None:
            self._first = small
        else:
            self._shares.append(_unmoved(self._first, small))

    @property
    def still(self) -> bool:
        """Enough blocks stayed exactly where they were in every frame that was looked at."""
        return bool(self._shares) and min(self._shares) >= STILL_SHARE


def _unmoved(first: Gray, now: Gray) -> float:
    """The share of blocks with any texture that fit best where they were; 0 when there are too few."""
    height, width = first.shape[0] // GRID, first.shape[1] // GRID
    found = []
    for y in range(height, first.shape[0] - 2 * height + 1, height):
        for x in range(width, first.shape[1] - 2 * width + 1, width):
            block = now[y : y + height, x : x + width]
            if block.std() < LEAST_TEXTURE:
                continue
            around = first[y - REACH : y + height + REACH, x - REACH : x + width + REACH]
            fit = cv2.matchTemplate(around, block, cv2.TM_SQDIFF)
            found.append(int(np.argmin(fit)) == REACH * fit.shape[1] + REACH)
    return float(np.mean(found)) if len(found) >= LEAST_BLOCKS else 0.0


def make_static_poses(count: int) -> CameraPoses:
    """A camera that does not move: the world is its frame, of unknown scale."""
    return CameraPoses(np.broadcast_to(np.eye(4), (count, 4, 4)).copy(), "static", "relative", 0.5)


def build_camera_rows(clip: str, camera: Camera, poses: CameraPoses, count: int) -> list[CameraRow]:
    """A row for each frame."""
    own = poses.camera or camera
    found = []
    for frame in range(count):
        pose = None
        if poses.matrices is not None and np.isfinite(poses.matrices[frame]).all():
            pose = tuple(float(value) for value in poses.matrices[frame].ravel())
        found.append(
            CameraRow(
                clip=clip,
                frame=frame,
                fx=own.fx,
                fy=own.fy,
                cx=own.cx,
                cy=own.cy,
                world_from_cam=pose,
                source=poses.source if pose is not None else "unknown",
                intrinsics_source=own.source,
                confidence=poses.confidence if pose is not None else None,
            )
        )
    return found
