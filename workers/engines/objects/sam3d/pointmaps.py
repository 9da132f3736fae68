"""Point maps in PyTorch3D's camera (x left, y up, z forward), as upstream takes them.

The child imports this in upstream's environment: NumPy alone.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.geometry.cameras import Camera

# PyTorch3D's axes from OpenCV's, by sign
PYTORCH3D_SIGNS = np.array([-1.0, -1.0, 1.0])


def unproject_depth(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Points (H, W, 3) of z-depth (H, W) in metres in PyTorch3D's camera; unknown and infinite become NaN."""
    height, width = depth.shape
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    z = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan).astype(np.float64)
    points = camera.unproject(np.stack([u, v], axis=-1), z)
    return np.asarray(points * PYTORCH3D_SIGNS, dtype=np.float32)


def horizontal_fov(camera: Camera) -> float:
    """The horizontal field of view in degrees of a camera whose principal point is the image's centre."""
    return math.degrees(2 * math.atan(camera.width / (2 * camera.fx)))


class PointmapFinder:
    """Finds the points of a picture by upstream's MoGe; those of the last picture are kept."""

    def __init__(self, torch: Any, pipeline: Any) -> None:
        """`torch` and `pipeline` are those of upstream's environment."""
        self._torch, self._pipeline = torch, pipeline
        self._cached: tuple[str, Any] | None = None

    def find(self, image: NDArray[np.uint8], intrinsics: Mapping[str, float] | None) -> Any:
        """The points (H, W, 3) of an image (H, W, 3), as a tensor; `intrinsics` are those of `Camera`."""
        key = f"{hashlib.sha256(image.tobytes()).hexdigest()} {intrinsics}"
        if self._cached is None or self._cached[0] != key:
            if intrinsics is None:
                points = self._estimate(image)
            else:
                fx, fy, cx, cy = (intrinsics[name] for name in ("fx", "fy", "cx", "cy"))
                points = self._unproject(image, Camera(image.shape[1], image.shape[0], fx, fy, cx, cy))
            self._cached = key, points
        return self._cached[1]

    def _estimate(self, image: NDArray[np.uint8]) -> Any:
        """Points under the focal length that MoGe finds."""
        pipeline = self._pipeline
        opaque = np.full((*image.shape[:2], 1), 255, np.uint8)
        # `run` clips by the distance of the object; here it would be that of the whole picture
        limit, pipeline.clip_pointmap_beyond_scale = pipeline.clip_pointmap_beyond_scale, None
        try:
            computed = pipeline.compute_pointmap(np.concatenate([image, opaque], axis=-1))
        finally:
            pipeline.clip_pointmap_beyond_scale = limit
        return computed["pointmap"].permute(1, 2, 0)

    def _unproject(self, image: NDArray[np.uint8], camera: Camera) -> Any:
        """Points on the rays of a known camera: MoGe's depth for its field of view, unprojected by it.

        By `fov_x` alone, MoGe moves its points in depth but leaves them on the rays of its own camera.
        """
        torch, depth_model = self._torch, self._pipeline.depth_model
        pixels = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255).to(depth_model.device)
        with torch.no_grad(), torch.autocast(device_type="cuda", dtype=self._pipeline.dtype):
            seen = depth_model.model.infer(pixels, fov_x=horizontal_fov(camera), force_projection=False)
        return torch.from_numpy(unproject_depth(np.asarray(seen["depth"].float().cpu()), camera))
