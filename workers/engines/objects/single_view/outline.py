"""From a mask to a smooth closed outline on a lattice fine enough to keep the mask.

The outline is the 0.5 level of the blurred mask, sampled on a square lattice in image pixels. Coarser
lattices are tried first; the first one whose filled outline keeps `KEPT_IOU` with the mask is used.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.geometry.boxes import mask_extent
from workers.geometry.overlap import mask_iou

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
# IoU with the mask at which a lattice is fine enough, and below which large masks too get the exact one.
KEPT_IOU, LOW_IOU = 0.985, 0.97
# Shares of the mask's area up to which specks are dropped and pinholes filled, each in sum.
DROPPED_SHARE, FILLED_SHARE = 0.005, 0.005
# Samples along the mask's long side that are tried, and the smallest step in pixels.
LONG_SIDES, MIN_STEP = (96, 160, 256, 400), 0.25
# Standard deviations of the blur: a smooth one in steps, at least so many pixels, and a sharp one in steps.
SMOOTH_BLUR, MIN_BLUR, SHARP_BLUR = 0.6, 0.8, 0.3


@dataclass(frozen=True, slots=True)
class Lattice:
    """Samples of the blurred mask: `field` (ny, nx) in [0, 1], inside above 0.5, its border outside.

    Sample (j, i) lies at pixel (origin_x + i * step, origin_y + j * step), pixel centres at +0.5. `iou` is
    that of the filled outline with the mask.
    """

    field: Array
    origin: tuple[float, float]
    step: float
    iou: float = 1.0

    def to_pixels(self, columns: Array, rows: Array) -> Array:
        """Lattice coordinates to image pixels (..., 2)."""
        x = self.origin[0] + columns * self.step
        y = self.origin[1] + rows * self.step
        return np.stack([x, y], axis=-1)

    def to_indices(self, pixels: Array) -> Array:
        """Image pixels (N, 2) to (rows, columns) of shape (2, N), as scipy.ndimage takes them."""
        local = (pixels - np.asarray(self.origin)) / self.step
        return np.stack([local[:, 1], local[:, 0]])


def clean_mask(mask: Mask) -> tuple[Mask, int]:
    """A non-empty mask without specks and pinholes (under 0.5% of its area each), and its number of parts."""
    area = int(mask.sum())
    kept = _drop_small_parts(mask, DROPPED_SHARE * area, connectivity=8)
    filled = ~_drop_small_parts(~kept, FILLED_SHARE * area, connectivity=4)
    parts = cv2.connectedComponents(filled.astype(np.uint8), connectivity=8)[0] - 1
    return filled, int(parts)


def fit_lattice(mask: Mask) -> Lattice:
    """The coarsest lattice whose outline keeps the mask; at worst one sample per pixel, unblurred."""
    x0, y0, x1, y1 = mask_extent(mask)
    crop = mask[y0:y1, x0:x1]
    long_side = max(crop.shape)
    best: Lattice | None = None
    for side in LONG_SIDES:
        step = max(long_side / side, MIN_STEP)
        for blur in (max(MIN_BLUR, SMOOTH_BLUR * step), SHARP_BLUR * step):
            lattice = _sample(crop, (x0, y0), step, blur)
            if lattice.iou >= KEPT_IOU:
                return lattice
            if best is None or lattice.iou > best.iou:
                best = lattice
        if step <= 1:
            break
    if long_side <= 2 * LONG_SIDES[-1] or best is None or best.iou < LOW_IOU:
        return _sample(crop, (x0, y0), 1.0, 0.0)
    return best


def find_nearest_inside(inside: Mask) -> NDArray[np.int64]:
    """For every sample the (row, column) of the nearest sample inside, of shape (2, ny, nx)."""
    indices = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return np.asarray(indices, dtype=np.int64)


def _drop_small_parts(mask: Mask, budget: float, connectivity: int) -> Mask:
    """Drop the smallest parts while all that was dropped stays within `budget` pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=connectivity
    )
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = np.argsort(areas, kind="stable")
    small = order[np.cumsum(areas[order]) <= budget]
    if not len(small) or len(small) == count - 1:
        return mask
    keep = np.ones(count, dtype=np.bool_)
    keep[0] = False
    keep[small + 1] = False
    return np.asarray(keep[labels], dtype=np.bool_)


def _sample(crop: Mask, corner: tuple[int, int], step: float, blur: float) -> Lattice:
    """Blur the crop by `blur` pixels and sample it every `step` pixels, with a border outside."""
    margin = int(np.ceil(3 * blur + 2 * step)) + 2
    padded = np.pad(crop.astype(np.float32), margin)
    if blur > 0:
        padded = cv2.GaussianBlur(padded, (0, 0), blur)
    # A first sample on a pixel centre makes the lattice of step 1 exact.
    start = margin + 0.5 - step * np.floor((margin - 1) / step)
    nx = int(np.floor((padded.shape[1] - 0.5 - start) / step)) + 1
    ny = int(np.floor((padded.shape[0] - 0.5 - start) / step)) + 1
    xs = (start + step * np.arange(nx) - 0.5).astype(np.float32)
    ys = (start + step * np.arange(ny) - 0.5).astype(np.float32)
    grid_x, grid_y = np.meshgrid(xs, ys)
    field = cv2.remap(padded, grid_x, grid_y, cv2.INTER_LINEAR).astype(np.float64)
    field[[0, -1]] = 0
    field[:, [0, -1]] = 0
    origin = (corner[0] - margin + float(start), corner[1] - margin + float(start))
    lattice = Lattice(field, origin, step)
    return replace(lattice, iou=_measure_iou(lattice, crop, corner))


def _measure_iou(lattice: Lattice, crop: Mask, corner: tuple[int, int]) -> float:
    """IoU of the crop with the pixels whose centres the outline encloses."""
    ys = (np.arange(crop.shape[0]) + 0.5 + corner[1] - lattice.origin[1]) / lattice.step
    xs = (np.arange(crop.shape[1]) + 0.5 + corner[0] - lattice.origin[0]) / lattice.step
    grid_x, grid_y = np.meshgrid(xs.astype(np.float32), ys.astype(np.float32))
    level = cv2.remap(lattice.field.astype(np.float32), grid_x, grid_y, cv2.INTER_LINEAR)
    return mask_iou(level > 0.5, crop)
