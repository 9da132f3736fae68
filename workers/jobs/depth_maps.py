"""A request's depth map as engines take it: z in metres in the camera frame, NaN where unknown."""

from dataclasses import dataclass

import numpy as np
from maquette.contract import DepthMap
from numpy.typing import NDArray

from workers.errors import JobProblem
from workers.geometry.cameras import Camera
from workers.jobs.media_loader import MediaLoader

Array = NDArray[np.float64]
# signs of the axes that turn points of a convention into OpenCV's
OPENCV_FROM = {"opencv": (1.0, 1.0, 1.0), "opengl": (1.0, -1.0, -1.0), "pytorch3d": (-1.0, -1.0, 1.0)}
# A median depth outside these metres is taken for a mistake in the unit; chosen, not measured.
NEAREST_M, FARTHEST_M = 0.01, 2000.0
# Largest median distance of points from their rays, as a share of the longer side. Wrong axes or intrinsics
# put points far off; chosen, not measured.
MAX_RAY_ERROR = 0.02
# points that the camera is fitted to
FIT_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class MetricDepth:
    """z (H, W) float32 in metres, NaN where unknown; the camera is the given one, or fitted to the points.

    `unit_assumed` says that the unit was not given: integers are millimetres then, floats metres.
    """

    depth: NDArray[np.float32]
    camera: Camera | None
    unit_assumed: bool = False


def load_depth(
    media: MediaLoader, given: DepthMap, width: int, height: int, camera: Camera | None
) -> MetricDepth:
    """Load `given` for an image of that size; `camera` has the image's intrinsics where they are known.

    Raises JobProblem: `depth_mismatch` for another size, `depth_empty` without a known depth,
    `depth_implausible` for a unit that puts the scene nearer than 1 cm or beyond 2 km, `depth_frame_mismatch`
    for points that do not lie on the camera's rays.
    """
    values, integers = media.load_depth_map(given.media)
    if values.shape[:2] != (height, width):
        raise JobProblem(
            "depth_mismatch",
            f"the depth map is {values.shape[1]} x {values.shape[0]}, the upright image {width} x {height}",
        )
    unit = given.metres_per_unit or (0.001 if integers else 1.0)
    with np.errstate(invalid="ignore", over="ignore"):
        metres = values.astype(np.float64) * unit
        if metres.ndim == 3:
            points = metres * OPENCV_FROM[given.axes]
            z = _mask_unknown(points[..., 2], given)
            _check_plausible(z)
            camera = _check_or_fit_camera(points, z, camera)
        else:
            z = _mask_unknown(metres, given)
            if given.measures == "distance":
                z = z / ray_lengths(camera or Camera.assumed(width, height))
            _check_plausible(z)
    return MetricDepth(z.astype(np.float32), camera, unit_assumed=given.metres_per_unit is None)


def ray_lengths(camera: Camera) -> Array:
    """The length (H, W) of each pixel's ray up to z = 1."""
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    return np.asarray(np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2))


def _mask_unknown(z: Array, given: DepthMap) -> Array:
    known = np.where(np.isfinite(z) & (z > 0), z, np.nan)
    if not np.isfinite(known).any():
        hint = f"; are its axes those of {given.axes}?" if (z < 0).any() else ""
        raise JobProblem("depth_empty", f"the depth map has no positive, finite depth{hint}")
    return known


def _check_plausible(z: Array) -> None:
    median = float(np.nanmedian(z))
    if not NEAREST_M <= median <= FARTHEST_M:
        raise JobProblem(
            "depth_implausible",
            f"the median depth is {median:.3g} m: give the unit as 'metres_per_unit' (0.001 for millimetres)",
        )


def _check_or_fit_camera(points: Array, z: Array, camera: Camera | None) -> Camera:
    """The camera, checked against the points; without one, the pinhole camera that fits them best."""
    height, width = z.shape
    rows, columns = np.nonzero(np.isfinite(z) & np.isfinite(points).all(axis=2))
    if len(rows) < 3:
        raise JobProblem("depth_empty", "the point map has fewer than three known points")
    sample = np.linspace(0, len(rows) - 1, min(len(rows), FIT_POINTS)).astype(np.int64)
    rows, columns = rows[sample], columns[sample]
    slopes = points[rows, columns, :2] / z[rows, columns, None]
    pixels = np.stack([columns, rows], axis=1) + 0.5
    if camera is None:
        (fx, cx), (fy, cy) = (np.polyfit(slopes[:, k], pixels[:, k], 1) for k in (0, 1))
        camera = Camera(width, height, float(fx), float(fy), float(cx), float(cy), source="estimated")
    projected = slopes * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    error = float(np.median(np.abs(projected - pixels).max(axis=1)))
    if not error <= MAX_RAY_ERROR * max(width, height) or camera.fx <= 0 or camera.fy <= 0:
        raise JobProblem(
            "depth_frame_mismatch",
            f"the points lie {error:.0f} pixels off their rays in the median: check 'axes' and 'camera'",
        )
    return camera
