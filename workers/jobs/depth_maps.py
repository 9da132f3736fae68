"""A request's depth map as the engines take it: z in metres in the camera's frame, NaN where unknown."""

from dataclasses import dataclass

import numpy as np
from maquette.contract import DepthMap
from numpy.typing import NDArray

from workers.errors import JobProblem
from workers.geometry.cameras import Camera
from workers.jobs.media_loader import MediaLoader

Array = NDArray[np.float64]
AXES = {"opencv": (1.0, 1.0, 1.0), "opengl": (1.0, -1.0, -1.0), "pytorch3d": (-1.0, -1.0, 1.0)}
NEAREST_M, FARTHEST_M = 0.01, 2000.0
OFF_RAYS = 0.02
SAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class MetricDepth:
    """z (H, W) float32 in metres, NaN where unknown, and the camera: given, or what fits the points."""

    depth: NDArray[np.float32]
    camera: Camera | None


def load_depth(
    media: MediaLoader, given: DepthMap, width: int, height: int, camera: Camera | None
) -> MetricDepth:
    """Read `given` for a picture of that size, whose intrinsics are `camera` where they are known.

    Raises JobProblem: `depth_mismatch` for another size, `depth_empty` without one depth that is known,
    `depth_implausible` for a unit that puts the scene nearer than 1 cm or beyond 2 km, `depth_frame_mismatch`
    for points that do not lie on the camera's rays.
    """
    values, whole = media.load_depth_map(given.media)
    if values.shape[:2] != (height, width):
        raise JobProblem(
            "depth_mismatch",
            f"the depth map is {values.shape[1]} x {values.shape[0]}, the upright picture {width} x {height}",
        )
    unit = given.metres_per_unit or (0.001 if whole else 1.0)
    with np.errstate(invalid="ignore", over="ignore"):
        numbers = values.astype(np.float64) * unit
        if numbers.ndim == 3:
            points = numbers * AXES[given.axes]
            z = _known(points[..., 2], given)
            _plausible(z)
            camera = _camera_of(points, z, camera)
        else:
            z = _known(numbers, given)
            if given.measures == "distance":
                z = z / ray_lengths(camera or Camera.assumed(width, height))
            _plausible(z)
    return MetricDepth(z.astype(np.float32), camera)


def _known(z: Array, given: DepthMap) -> Array:
    known = np.where(np.isfinite(z) & (z > 0), z, np.nan)
    if not np.isfinite(known).any():
        why = f"; are its axes those of {given.axes}?" if (z < 0).any() else ""
        raise JobProblem("depth_empty", f"the depth map has no positive, finite depth{why}")
    return known


def _plausible(z: Array) -> None:
    median = float(np.nanmedian(z))
    if not NEAREST_M <= median <= FARTHEST_M:
        raise JobProblem(
            "depth_implausible",
            f"half of the depths are beyond {median:.3g} m: tell the unit by 'metres_per_unit' "
            "(0.001 for millimetres)",
        )


def ray_lengths(camera: Camera) -> Array:
    """The length (H, W) of each pixel's ray up to z = 1."""
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    return np.asarray(np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2))


def _camera_of(points: Array, z: Array, camera: Camera | None) -> Camera:
    """The camera, held against the points; without one, the pinhole that fits them by least squares."""
    height, width = z.shape
    rows, columns = np.nonzero(np.isfinite(z) & np.isfinite(points).all(axis=2))
    if len(rows) < 3:
        raise JobProblem("depth_empty", "the point map has fewer than three points that are known")
    some = np.linspace(0, len(rows) - 1, min(len(rows), SAMPLES)).astype(np.int64)
    rows, columns = rows[some], columns[some]
    slope = points[rows, columns, :2] / z[rows, columns, None]
    pixels = np.stack([columns, rows], axis=1) + 0.5
    if camera is None:
        (fx, cx), (fy, cy) = (np.polyfit(slope[:, k], pixels[:, k], 1) for k in (0, 1))
        camera = Camera(width, height, float(fx), float(fy), float(cx), float(cy), source="estimated")
    told = slope * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    off = float(np.median(np.abs(told - pixels).max(axis=1)))
    if not off <= OFF_RAYS * max(width, height) or camera.fx <= 0 or camera.fy <= 0:
        raise JobProblem(
            "depth_frame_mismatch",
            f"the points lie {off:.0f} pixels off the camera's rays in the median: check 'axes' and 'camera'",
        )
    return camera
