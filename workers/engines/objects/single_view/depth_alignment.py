"""Using a depth map without an image: it measures the front of a sheet.

The sheet takes its front from the map, and its back mirrors the front in the plane of the rim.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from workers.engines.objects.single_view.thickness import Thickness
from workers.engines.objects.single_view.triangulation import Sheet
from workers.geometry.cameras import Camera

Array = NDArray[np.float64]
DepthMap = NDArray[np.float32]
Mask = NDArray[np.bool_]
# Usable values that a map needs inside the mask, in pixels and as a share of it. Chosen, not measured.
MIN_PIXELS, MIN_SHARE = 16, 0.02
# Values farther from the median than so many standard deviations (1.4826 times the median deviation), and
# than this share of the median depth, are outliers.
OUTLIER_DEVIATIONS, MAD_TO_DEVIATION, MIN_OUTLIER_SHARE = 6, 1.4826, 0.05
# Depth within so many pixels of the rim mixes with the background.
EDGE_PIXELS = 1.5
# Bounds of the measured front, in half thicknesses, and of what may lie before the camera, as a share of the
# median depth.
MAX_RATIO, NEAREST_SHARE = 4.0, 0.05
# The back is at least this share of the half thickness behind the rim, and of the front.
MIN_BACK_SHARE = 0.25
# Bounds of the bulge relative to the inflated one, and rounds of reweighting.
MAX_BULGE, ROUNDS = 2.0, 8


@dataclass(frozen=True, slots=True)
class SheetDepths:
    """z in metres of a sheet: of its inner points in `front` and at the `back`, and of its `rim` points."""

    front: Array
    back: Array
    rim: Array


def align_sheet(
    depth: DepthMap, mask: Mask, sheet: Sheet, thickness: Thickness, camera: Camera
) -> SheetDepths | None:
    """Depths from a z-depth map (H, W) in metres, or None when it says too little inside the mask.

    The map is fitted robustly as plane(u, v) - bulge * half thickness; the plane stands for the rim, and the
    measured front is kept as a ratio to the inflated one, which carries it to the rim without a step. Values
    that are not finite, not positive, or outliers are ignored.
    """
    valid = mask & np.isfinite(depth) & (depth > 0)
    if int(valid.sum()) < max(MIN_PIXELS, MIN_SHARE * int(mask.sum())):
        return None
    median = float(np.median(depth[valid]))
    minimum = thickness.minimum / camera.fx * median
    valid &= _find_inliers(depth, valid, median, minimum)
    pixels = sheet.points[: sheet.inner]
    row, column = _to_indices(pixels, mask)
    trusted = valid[row, column] & (thickness.distance(pixels) > EDGE_PIXELS)
    if int(trusted.sum()) < 3:
        trusted = valid[row, column]
    measured = _interpolate(depth, valid, pixels)
    half = thickness.at(pixels) / camera.fx * median
    plane, bulge = _fit_plane_and_bulge(pixels, measured, half, trusted)
    rim_plane = plane(pixels)
    ratio = np.where(trusted, (rim_plane - measured) / half, bulge)
    ratio = np.clip(ratio, -MAX_RATIO, MAX_RATIO)
    ratio = _extend(pixels, ratio, trusted)
    offset, nearest = ratio * half, NEAREST_SHARE * median
    behind = np.maximum(offset, MIN_BACK_SHARE * max(bulge, MIN_BACK_SHARE) * half)
    behind = np.maximum(behind, MIN_BACK_SHARE * half - offset)
    front = np.maximum(rim_plane - offset, nearest)
    return SheetDepths(
        front=front,
        back=np.maximum(rim_plane + behind, front + minimum),
        rim=np.maximum(plane(sheet.points[sheet.inner :]), nearest),
    )


def _find_inliers(depth: DepthMap, valid: Mask, median: float, minimum: float) -> Mask:
    """Which values (H, W) lie within the object's spread about the median."""
    spread = float(np.median(np.abs(depth[valid] - median)))
    reach = minimum + OUTLIER_DEVIATIONS * MAD_TO_DEVIATION * spread
    return np.asarray(np.abs(depth - median) <= max(reach, MIN_OUTLIER_SHARE * median))


def _to_indices(pixels: Array, mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns (N,) of the image at pixels (N, 2), clipped to it."""
    height, width = mask.shape
    column = np.clip(pixels[:, 0], 0, width - 1).astype(np.int64)
    row = np.clip(pixels[:, 1], 0, height - 1).astype(np.int64)
    return row, column


def _interpolate(depth: DepthMap, valid: Mask, pixels: Array) -> Array:
    """The map at pixels (N, 2), with invalid values replaced by the nearest valid ones."""
    source = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    filled = np.where(valid, depth, depth[source[0], source[1]]).astype(np.float64)
    where = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    return np.asarray(ndimage.map_coordinates(filled, where, order=1, mode="nearest"))


@dataclass(frozen=True, slots=True)
class _Plane:
    """z = offset + slope . (pixel - centre)."""

    centre: Array
    slope: Array
    offset: float

    def __call__(self, pixels: Array) -> Array:
        return np.asarray((pixels - self.centre) @ self.slope + self.offset, dtype=np.float64)


def _fit_plane_and_bulge(pixels: Array, measured: Array, half: Array, trusted: Mask) -> tuple[_Plane, float]:
    """Iteratively reweighted least squares of measured = plane - bulge * half, bulge in [0, MAX_BULGE]."""
    points, z, thick = pixels[trusted], measured[trusted], half[trusted]
    centre = points.mean(axis=0)
    scale = max(float(np.abs(points - centre).max()), 1.0)
    columns = np.column_stack([(points - centre) / scale, np.ones(len(points)), -thick])
    weight: Array = np.ones(len(points))
    solution: Array = np.zeros(4)
    ridge = np.diag([1e-6, 1e-6, 0.0, 1e-6]) * len(points) * float(np.mean(thick**2) + 1e-12)
    for _ in range(ROUNDS):
        left = columns.T @ (columns * weight[:, None]) + ridge
        right = columns.T @ (weight * z)
        solution = np.asarray(np.linalg.lstsq(left, right, rcond=None)[0], dtype=np.float64)
        if not 0 <= solution[3] <= MAX_BULGE:
            bulge = float(np.clip(solution[3], 0, MAX_BULGE))
            flat = columns[:, :3]
            rest = flat.T @ (flat * weight[:, None]) + ridge[:3, :3]
            target = flat.T @ (weight * (z + bulge * thick))
            solution = np.append(np.linalg.lstsq(rest, target, rcond=None)[0], bulge)
        residual: Array = np.abs(columns @ solution - z)
        weight = 1 / np.maximum(residual, 0.2 * float(np.median(residual)) + 1e-9)
        weight /= weight.mean()
    return _Plane(centre, solution[:2] / scale, float(solution[2])), float(solution[3])


def _extend(pixels: Array, values: Array, trusted: Mask) -> Array:
    """Values (N,) of the trusted points, and for each other point that of the nearest trusted one."""
    nearest = cKDTree(pixels[trusted]).query(pixels)[1]
    return np.asarray(values[trusted][nearest], dtype=np.float64)
