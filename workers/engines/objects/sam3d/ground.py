"""Upstream's ground plane: its fit to the points under a mask of the floor.

The child imports this in upstream's environment: NumPy alone.
"""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Distance from the plane, in units of the points, up to which upstream's RANSAC counts a point as on it
# (`segment_plane` in `o3d_plane_estimation`).
TOLERANCE = 0.02


def fit_ground(
    pipeline: Any, rgba: NDArray[np.uint8], points: Any, seed: int
) -> tuple[NDArray[np.float64], float] | None:
    """Normal and offset (4,) of the floor in PyTorch3D's camera, and the share of its points on that plane.

    `rgba` (H, W, 4) is opaque where the floor is, `points` the image's point map (H, W, 3) as a tensor. None
    where upstream finds no plane, which it does not explain: it wants 100 points, and a mask whose bounding
    box covers more than a quarter of the image.
    """
    # upstream's RANSAC draws from Open3D's global generator
    if "open3d" in sys.modules:
        sys.modules["open3d"].utility.random.seed(seed)
    quad = pipeline.run(rgba, None, seed=seed, pointmap=points, estimate_plane=True)["glb"]
    if quad is None:
        return None
    normal = _read_normal(np.asarray(quad.vertices, dtype=np.float64))
    floor = np.asarray(points.cpu(), dtype=np.float64)[rgba[..., 3] > 0]
    offset, share = _find_offset(floor[np.isfinite(floor).all(axis=1)] @ normal)
    # towards the camera, which is the origin
    sign = 1.0 if offset >= 0 else -1.0
    return sign * np.array([*normal, offset]), share


def _read_normal(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The unit normal (3,) of upstream's quad (4, 3), whose vertices are (x, z, -y) of its points."""
    placed = corners[:, [0, 2, 1]] * [1, -1, 1]
    normal = np.cross(placed[1] - placed[0], placed[2] - placed[0])
    return np.asarray(normal / np.linalg.norm(normal))


def _find_offset(heights: NDArray[np.float64]) -> tuple[float, float]:
    """The offset of the plane that most points are on, given their coordinates (N,) along its normal.

    Only the direction of upstream's quad is right: it lies at the middle of the points' bounding box, off the
    plane unless they are spread evenly. Also returns the share of the points on the plane.
    """
    ordered = np.sort(heights)
    ends = np.searchsorted(ordered, ordered + 2 * TOLERANCE, side="right")
    first = int(np.argmax(ends - np.arange(len(ordered))))
    on_plane = ordered[first : ends[first]]
    return -float(on_plane.mean()), len(on_plane) / len(ordered)
