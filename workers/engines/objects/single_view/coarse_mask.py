"""A mask resampled to a small fixed size, at which parametric shapes are compared with it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.geometry.boxes import mask_extent
from workers.geometry.cameras import Camera
from workers.geometry.overlap import mask_iou

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
# Samples along the mask's long side, and around it. Fits take time in proportion to the samples.
SIDE, MARGIN = 128, 4
# Distance reported for points beyond the resampled mask, in samples: more than any tolerance.
FAR = 99.0
# Share of the pixels at a mask's edge that half a pixel of error costs in IoU.
EDGE_COST = 0.6


@dataclass(frozen=True, slots=True)
class CoarseMask:
    """The mask (h, w) of an object with its holes filled, and the camera of these samples.

    `distance` (h, w) is the distance in samples to the mask, 0 inside; `holes` (h, w) is what was filled.
    """

    mask: Mask
    distance: NDArray[np.float32]
    camera: Camera
    holes: Mask

    def hole_share(self) -> float:
        """The share of the filled mask that was a hole."""
        return float(self.holes.sum() / max(int(self.mask.sum()), 1))

    def pixels(self) -> NDArray[np.int64]:
        """The (x, y) indices (N, 2) of the mask's samples."""
        ys, xs = np.nonzero(self.mask)
        return np.stack([xs, ys], axis=1)

    def aspect(self) -> float:
        """Long over short side of the smallest rectangle around the mask."""
        long, short = self._smallest_rectangle()
        return long / short

    def rectangularity(self) -> float:
        """The mask's share of the smallest rectangle around it."""
        long, short = self._smallest_rectangle()
        return float(self.mask.sum()) / (long * short)

    def convexity(self) -> float:
        """The mask's share of its convex hull."""
        pixels = self.pixels()
        hull = np.zeros(self.mask.shape, dtype=np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(pixels.astype(np.int32)), 1)
        return len(pixels) / int(hull.sum())

    def ellipse_iou(self) -> float:
        """IoU of the mask with the ellipse of the same second moments, as which a ball is seen."""
        points = self.pixels().astype(np.float64)
        precision = np.linalg.inv(np.cov(points.T) + 1e-9 * np.eye(2))
        grid = np.stack(np.meshgrid(*(np.arange(n) for n in self.mask.shape[::-1])), axis=-1)
        offset = grid - points.mean(axis=0)
        return mask_iou(np.einsum("...i,ij,...j->...", offset, precision, offset) <= 4, self.mask)

    def distance_outside(self, points: Array) -> Array:
        """Distance in samples of projected camera-frame points (..., 3) to the mask; 0 inside it."""
        pixels = np.floor(self.camera.project(points)).astype(np.int64)
        x, y = pixels[..., 0], pixels[..., 1]
        height, width = self.mask.shape
        covered = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        distance = self.distance[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        return np.where(covered, distance, FAR)

    def _smallest_rectangle(self) -> tuple[float, float]:
        """Its long and short side in samples."""
        _, sides, _ = cv2.minAreaRect(self.pixels().astype(np.int32))
        return float(max(sides)) + 1, float(min(sides)) + 1


def attainable_iou(mask: Mask) -> float:
    """The IoU with a mask that an outline still has which is half a pixel off everywhere."""
    edge = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    return 1 - EDGE_COST * float(edge.sum()) / max(int(mask.sum()), 1)


def resample_mask(mask: Mask, camera: Camera) -> CoarseMask:
    """A non-empty mask (H, W) and the camera of its image, at the coarse size; holes are filled."""
    x0, y0, x1, y1 = mask_extent(mask)
    zoom = SIDE / max(y1 - y0, x1 - x0)
    size = (max(1, round((x1 - x0) * zoom)), max(1, round((y1 - y0) * zoom)))
    open_crop = mask[y0:y1, x0:x1].astype(np.uint8)
    filled_crop = open_crop.copy()
    outlines, _ = cv2.findContours(filled_crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled_crop, outlines, -1, 1, cv2.FILLED)
    filled, opened = (_resize(crop, size, shrink=zoom < 1) for crop in (filled_crop, open_crop))
    distance = cv2.distanceTransform((~filled).astype(np.uint8), cv2.DIST_L2, 3)
    resized = camera.crop(x0, y0, x1 - x0, y1 - y0).resized(*size)
    placed = resized.crop(-MARGIN, -MARGIN, filled.shape[1], filled.shape[0])
    return CoarseMask(filled, distance, placed, filled & ~opened)


def _resize(crop: NDArray[np.uint8], size: tuple[int, int], *, shrink: bool) -> Mask:
    interpolation = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    resized = cv2.resize(crop * np.uint8(255), size, interpolation=interpolation)
    return np.pad((resized >= 128).reshape(size[1], size[0]), MARGIN)
