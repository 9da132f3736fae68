"""The pinhole camera that all records use."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Camera:
    """Pinhole intrinsics in pixels; OpenCV axes (x right, y down, z forward), pixel centres at +0.5.

    `source` is where the intrinsics come from: "given", "exif", "estimated" (by a network) or "assumed".
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    source: str = "given"

    @classmethod
    def assumed(cls, width: int, height: int) -> "Camera":
        """A camera with focal length equal to the image diagonal and a centred principal point."""
        focal = float(np.hypot(width, height))
        return cls(width, height, focal, focal, width / 2, height / 2, source="assumed")

    @classmethod
    def with_field_of_view(cls, width: int, height: int, degrees: float) -> "Camera":
        """A camera with square pixels whose longer side spans `degrees`, which must be in (0, 180)."""
        if not 0 < degrees < 180:
            raise ValueError(f"a field of view must be in (0, 180) degrees, got {degrees}")
        focal = max(width, height) / 2 / float(np.tan(np.radians(degrees) / 2))
        return cls(width, height, focal, focal, width / 2, height / 2)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Camera-frame points (..., 3) to pixels (..., 2)."""
        z = points[..., 2]
        u = self.fx * points[..., 0] / z + self.cx
        v = self.fy * points[..., 1] / z + self.cy
        return np.stack([u, v], axis=-1)

    def unproject(self, pixels: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels (..., 2) with z-depth (...) to camera-frame points (..., 3)."""
        x = (pixels[..., 0] - self.cx) / self.fx * depth
        y = (pixels[..., 1] - self.cy) / self.fy * depth
        return np.stack([x, y, depth], axis=-1)

    @property
    def focal_length(self) -> float:
        """The geometric mean of fx and fy in pixels."""
        return float(np.sqrt(self.fx * self.fy))

    def matrix(self) -> NDArray[np.float64]:
        """The 3x3 intrinsics matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)

    def crop(self, x: float, y: float, width: int, height: int) -> "Camera":
        """The camera of a window of the image, whose top left corner is at (x, y) pixels."""
        return Camera(width, height, self.fx, self.fy, self.cx - x, self.cy - y, self.source)

    def resized(self, width: int, height: int) -> "Camera":
        """The camera of the same image resampled to another size."""
        sx, sy = width / self.width, height / self.height
        return Camera(width, height, self.fx * sx, self.fy * sy, self.cx * sx, self.cy * sy, self.source)
