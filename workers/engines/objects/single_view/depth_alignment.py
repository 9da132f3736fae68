"""Using a depth map: it measures the front, the back mirrors it in the plane of the rim.

Where a simple solid explains the outline, the map gives its scale, and says whether it is the right one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from workers.engines.objects.single_view.inflation import Thickness
from workers.engines.objects.single_view.surface import Surface
from workers.engines.objects.single_view.triangulation import Sheet
from workers.geometry.cameras import Camera

LEAST_PIXELS = 16
LEAST_SHARE = 0.02
EDGE_STEPS = 1.5
STRONGEST = 4.0
BACK_SHARE = 0.25
AGREES = 0.03


@dataclass(frozen=True, slots=True)
class Depths:
    """z in metres for the inner points (front, back) and the rim points of a sheet."""

    front: NDArray[np.float64]
    back: NDArray[np.float64]
    rim: NDArray[np.float64]


def from_depth(
    depth: NDArray[np.float32],
    mask: NDArray[np.bool_],
    sheet: Sheet,
    thickness: Thickness,
    camera: Camera,
) -> Depths | None:
    """Depths from a z-depth map (H, W) in metres, or None when it says too little inside the mask.

    The map is fitted robustly as plane(u, v) - bulge * half thickness; the plane stands for the rim, and
    the measured front is kept as a ratio to the inflated one, which carries it to the rim without a step.
    Values that are not finite, not positive, or far outside the object's spread are ignored.
    """
    valid = mask & np.isfinite(depth) & (depth > 0)
    if int(valid.sum()) < max(LEAST_PIXELS, LEAST_SHARE * int(mask.sum())):
        return None
    median = float(np.median(depth[valid]))
    spread = float(np.median(np.abs(depth[valid] - median)))
    height, width = mask.shape
    reach = thickness.floor / camera.fx * median + 6 * 1.4826 * spread
    valid &= np.abs(depth - median) <= max(reach, 0.05 * median)
    source = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    pixels = sheet.points[: sheet.inner]
    column = np.clip(pixels[:, 0], 0, width - 1).astype(np.int64)
    row = np.clip(pixels[:, 1], 0, height - 1).astype(np.int64)
    trusted = valid[row, column] & (thickness.distance(pixels) > EDGE_STEPS)
    if int(trusted.sum()) < 3:
        trusted = valid[row, column]
    filled = np.where(valid, depth, depth[source[0], source[1]]).astype(np.float64)
    seen = ndimage.map_coordinates(filled, [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5], order=1, mode="nearest")
    half = thickness.at(pixels) / camera.fx * median
    plane, bulge = _fit(pixels, seen, half, trusted)
    middle = plane(pixels)
    ratio = np.where(trusted, (middle - seen) / half, bulge)
    ratio = np.clip(ratio, -STRONGEST, STRONGEST)
    ratio = _carried(pixels, ratio, trusted)
    offset, nearest = ratio * half, 0.05 * median
    behind = np.maximum(offset, BACK_SHARE * max(bulge, BACK_SHARE) * half)
    behind = np.maximum(behind, BACK_SHARE * half - offset)
    front = np.maximum(middle - offset, nearest)
    return Depths(
        front=front,
        back=np.maximum(middle + behind, front + thickness.floor / camera.fx * median),
        rim=np.maximum(plane(sheet.points[sheet.inner :]), nearest),
    )


def scale_by_depth(surface: Surface, depth: NDArray[np.float32], mask: NDArray[np.bool_]) -> float | None:
    """The factor that brings a surface at about z = 1 to a z-depth map (H, W), in metres.

    None when the map says too little, or disagrees by more than 3% of the surface's size in the median.
    """
    height, width = mask.shape
    column = np.clip(surface.pixels[:, 0], 0, width - 1).astype(np.int64)
    row = np.clip(surface.pixels[:, 1], 0, height - 1).astype(np.int64)
    seen = depth[row, column].astype(np.float64)
    used = surface.front & mask[row, column] & np.isfinite(seen) & (seen > 0)
    if int(used.sum()) < LEAST_PIXELS:
        return None
    here, there = surface.vertices[used, 2], seen[used]
    factor = float(np.median(there / here))
    size = factor * float(np.ptp(surface.vertices, axis=0).max())
    off = float(np.median(np.abs(there - factor * here)))
    return factor if off <= AGREES * size else None


@dataclass(frozen=True, slots=True)
class _Plane:
    """z = offset + slope . (pixel - centre)."""

    centre: NDArray[np.float64]
    slope: NDArray[np.float64]
    offset: float

    def __call__(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((pixels - self.centre) @ self.slope + self.offset, dtype=np.float64)


def _fit(
    pixels: NDArray[np.float64],
    seen: NDArray[np.float64],
    half: NDArray[np.float64],
    trusted: NDArray[np.bool_],
) -> tuple[_Plane, float]:
    """Iteratively reweighted least squares of seen = plane - bulge * half, with bulge in [0, 2]."""
    points, z, thick = pixels[trusted], seen[trusted], half[trusted]
    centre = points.mean(axis=0)
    scale = max(float(np.abs(points - centre).max()), 1.0)
    columns = np.column_stack([(points - centre) / scale, np.ones(len(points)), -thick])
    weight: NDArray[np.float64] = np.ones(len(points))
    solution: NDArray[np.float64] = np.zeros(4)
    ridge = np.diag([1e-6, 1e-6, 0.0, 1e-6]) * len(points) * float(np.mean(thick**2) + 1e-12)
    for _ in range(8):
        left = columns.T @ (columns * weight[:, None]) + ridge
        right = columns.T @ (weight * z)
        solution = np.asarray(np.linalg.lstsq(left, right, rcond=None)[0], dtype=np.float64)
        if not 0 <= solution[3] <= 2:
            bulge = float(np.clip(solution[3], 0, 2))
            flat = columns[:, :3]
            rest = flat.T @ (flat * weight[:, None]) + ridge[:3, :3]
            target = flat.T @ (weight * (z + bulge * thick))
            solution = np.append(np.linalg.lstsq(rest, target, rcond=None)[0], bulge)
        residual: NDArray[np.float64] = np.abs(columns @ solution - z)
        weight = 1 / np.maximum(residual, 0.2 * float(np.median(residual)) + 1e-9)
        weight /= weight.mean()
    return _Plane(centre, solution[:2] / scale, float(solution[2])), float(solution[3])


def _carried(
    pixels: NDArray[np.float64], values: NDArray[np.float64], trusted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Values of the trusted points carried to the others from the nearest trusted point."""
    nearest = cKDTree(pixels[trusted]).query(pixels)[1]
    return np.asarray(values[trusted][nearest], dtype=np.float64)
