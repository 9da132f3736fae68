"""Camera poses of a clip by structure from motion, where pycolmap is installed (the extra `cameras`)."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation, Slerp

from workers.datasets.cameras.clip_camera import ClipCamera, MovingMask, PoseSolver
from workers.geometry import colmap
from workers.geometry.cameras import Camera

# frames that are registered, spread evenly; those between are interpolated. Chosen for time, not tuned
MOST_FRAMES = 32
# share of these frames that have to be registered; chosen, not measured
LEAST_REGISTERED = 0.8
# mean reprojection error in pixels: wrong solutions were seen from 0.8 on, right ones at 0.2
MOST_PIXELS = 0.6
# mean number of 3D points per registered image; chosen, not measured
LEAST_OBSERVATIONS = 60


def load_solver() -> PoseSolver | None:
    """The solver, or None where pycolmap is not installed."""
    return ColmapSolver() if colmap.is_installed() else None


class ColmapSolver:
    """Incremental mapping over complete frames with one shared pinhole camera; the scale is relative."""

    name = "pycolmap"

    def __call__(self, frames: Sequence[bytes], camera: Camera, moving: MovingMask) -> ClipCamera | None:
        """The poses of all frames; None when too few can be registered, or not well enough to be trusted.

        `frames` are JPEG files. The confidence falls from 1 to 0.5 with the reprojection error.
        """
        count = len(frames)
        chosen = sorted({round(k * (count - 1) / (MOST_FRAMES - 1)) for k in range(MOST_FRAMES)})
        if len(chosen) < 3:
            return None
        images = {f"{frame:06d}.jpg": frames[frame] for frame in chosen}
        # what moves on its own would count as the static world
        masks = {f"{frame:06d}.jpg": _encode_mask(moving(frame)) for frame in chosen}
        # one thread, so that a resumed job finds the same poses
        options = colmap.ColmapOptions(
            sequential=True, threads=1, refine_focal_length=camera.source == "assumed"
        )
        model = colmap.reconstruct(images, camera, options, masks)
        if model is None or len(model.cam_from_world) < LEAST_REGISTERED * len(chosen):
            return None
        if model.reprojection_error > MOST_PIXELS or model.observations < LEAST_OBSERVATIONS:
            return None
        share = len(model.cam_from_world) / len(chosen)
        confidence = share * (1 - model.reprojection_error / (2 * MOST_PIXELS))
        return _interpolate(model, count, confidence, camera)


def _encode_mask(moving: NDArray[np.bool_]) -> bytes:
    """A PNG that is black where features are not searched."""
    out = io.BytesIO()
    Image.fromarray(np.where(moving, 0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def _interpolate(model: colmap.Reconstruction, count: int, confidence: float, camera: Camera) -> ClipCamera:
    """Rotations by slerp, positions linearly; NaN before the first and after the last registered frame."""
    placed = {int(Path(name).stem): np.linalg.inv(pose) for name, pose in model.cam_from_world.items()}
    frames = sorted(placed)
    inside = np.clip(np.arange(count), frames[0], frames[-1])
    turns = Slerp(frames, Rotation.from_matrix(np.stack([placed[frame][:3, :3] for frame in frames])))(inside)
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, :3, :3] = turns.as_matrix()
    for axis in range(3):
        matrices[:, axis, 3] = np.interp(inside, frames, [placed[frame][axis, 3] for frame in frames])
    matrices[: frames[0]] = np.nan
    matrices[frames[-1] + 1 :] = np.nan
    intrinsics = camera
    if camera.source == "assumed":
        own = next(iter(model.cameras.values()))
        intrinsics = Camera(camera.width, camera.height, own.fx, own.fy, own.cx, own.cy, source="colmap")
    return ClipCamera(
        intrinsics=intrinsics, poses=matrices, source="colmap", scale="relative", confidence=confidence
    )
