"""From a mask to a smooth closed outline on a lattice fine enough to keep the mask.

The outline is the 0.5 level of the blurred mask, sampled on a square lattice in image pixels. Coarser
lattices are tried first; the first one whose filled outline keeps `WANTED_IOU` with the mask is used.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.geometry.boxes import mask_extent
from workers.geometry.overlap import mask_iou

Mask = NDArray[np.bool_]
WANTED_IOU = 0.985
DROPPED_SHARE = 0.005
FILLED_SHARE = 0.005
FINEST_STEP = 0.25
LONG_SIDES = (96, 160, 256, 400)


class EmptyMask(ValueError):
    """The mask holds no pixel, so there is no object to lift."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """Samples of the blurred mask: `field` (ny, nx) in [0, 1], inside above 0.5, its border outside.

    Sample (j, i) lies at pixel (origin_x + i * step, origin_y + j * step), pixel centres at +0.5.
    """

    field: NDArray[np.float64]
    origin: tuple[float, float]
    step: float

    def pixels(self, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lattice coordinates to image pixels (..., 2)."""
        x = self.origin[0] + columns * self.step
        y = self.origin[1] + rows * self.step
        return np.stack([x, y], axis=-1)

    def coordinates(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Image pixels (N, 2) to (rows, columns) of shape (2, N), as scipy.ndimage wants them."""
        local = (pixels - np.asarray(self.origin)) / self.step
        return np.stack([local[:, 1], local[:, 0]])


def clean_mask(mask: Mask) -> tuple[Mask, int]:
    """The mask without specks and pinholes (under 0.5% of its area each way), and its number of parts.

    Raises EmptyMask when no pixel is set.
    """
    area = int(mask.sum())
    if area == 0:
        raise EmptyMask("the mask is empty: give a mask with at least one pixel of the object")
    kept = _without_small(mask, DROPPED_SHARE * area, connectivity=8)
    holes = ~kept
    filled = ~_without_small(holes, FILLED_SHARE * area, connectivity=4)
    parts = cv2.connectedComponents(filled.astype(np.uint8), connectivity=8)[0] - 1
    return filled, int(parts)


def fit_lattice(mask: Mask) -> Lattice:
    """The coarsest lattice whose outline keeps the mask; at worst one sample a pixel, unblurred."""
    x0, y0, x1, y1 = mask_extent(mask)
    crop = mask[y0:y1, x0:x1]
    long_side = max(crop.shape)
    best: tuple[float, Lattice] | None = None
    for side in LONG_SIDES:
        step = max(long_side / side, FINEST_STEP)
        for blur in (max(0.8, 0.6 * step), 0.3 * step):
            lattice = _sample(crop, (x0, y0), step, blur)
            iou = _outline_iou(lattice, crop, (x0, y0))
            if iou >= WANTED_IOU:
                return lattice
            if best is None or iou > best[0]:
                best = (iou, lattice)
        if step <= 1:
            break
    exact = _sample(crop, (x0, y0), 1.0, 0.0)
    if long_side <= 2 * LONG_SIDES[-1] or best is None or best[0] < 0.97:
        return exact
    return best[1]


def _without_small(mask: Mask, budget: float, connectivity: int) -> Mask:
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
    return Lattice(field, origin, step)


def _outline_iou(lattice: Lattice, crop: Mask, corner: tuple[int, int]) -> float:
    """IoU of the crop with the pixels whose centres the outline holds."""
    ys = (np.arange(crop.shape[0]) + 0.5 + corner[1] - lattice.origin[1]) / lattice.step
    xs = (np.arange(crop.shape[1]) + 0.5 + corner[0] - lattice.origin[0]) / lattice.step
    grid_x, grid_y = np.meshgrid(xs.astype(np.float32), ys.astype(np.float32))
    level = cv2.remap(lattice.field.astype(np.float32), grid_x, grid_y, cv2.INTER_LINEAR)
    drawn = level > 0.5
    return mask_iou(drawn, crop)


def nearest_inside(inside: Mask) -> NDArray[np.int64]:
    """For every lattice sample the (row, column) of the nearest sample inside, of shape (2, ny, nx)."""
    indices = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return np.asarray(indices, dtype=np.int64)
