"""A mask's window at a small fixed size, where parametric shapes are tried against it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.geometry.boxes import mask_extent
from workers.geometry.cameras import Camera
from workers.geometry.overlap import mask_iou

SIDE = 128
MARGIN = 4


@dataclass(frozen=True, slots=True)
class Window:
    """The mask (h, w) of an object, filled, its long side 128 samples, and the camera of these pixels.

    `outside` (h, w) is the distance in samples to the mask, 0 within; `open` (h, w) is what was filled.
    """

    mask: NDArray[np.bool_]
    outside: NDArray[np.float32]
    camera: Camera
    open: NDArray[np.bool_]

    @property
    def holes(self) -> float:
        """The share of the filled mask that was a hole."""
        return float(self.open.sum() / max(int(self.mask.sum()), 1))

    def rectangle(self) -> tuple[float, float]:
        """The long and the short side in samples of the smallest rectangle around the mask."""
        ys, xs = np.nonzero(self.mask)
        _, sides, _ = cv2.minAreaRect(np.stack([xs, ys], 1).astype(np.int32))
        return float(max(sides)) + 1, float(min(sides)) + 1

    def aspect(self) -> float:
        """That rectangle's long side over its short one."""
        long, short = self.rectangle()
        return long / short

    def rectangle_share(self) -> float:
        """The mask's share of that rectangle."""
        long, short = self.rectangle()
        return float(self.mask.sum()) / (long * short)

    def hull_share(self) -> float:
        """The mask's share of its convex hull."""
        ys, xs = np.nonzero(self.mask)
        drawn = np.zeros(self.mask.shape, dtype=np.uint8)
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.stack([xs, ys], 1).astype(np.int32)), 1)
        return len(xs) / int(drawn.sum())

    def ellipse_iou(self) -> float:
        """IoU of the mask with the ellipse of the same second moments, as which a ball is seen."""
        ys, xs = np.nonzero(self.mask)
        points = np.stack([xs, ys], 1).astype(np.float64)
        spread = np.linalg.inv(np.cov(points.T) + 1e-9 * np.eye(2))
        grid = np.stack(np.meshgrid(*(np.arange(n) for n in self.mask.shape[::-1])), axis=-1)
        off = grid - points.mean(axis=0)
        return self.iou(np.einsum("...i,ij,...j->...", off, spread, off) <= 4)

    def off(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance in samples from the mask of camera-frame points (..., 3); far beyond the window: 99."""
        pixels = np.floor(self.camera.project(points)).astype(np.int64)
        x, y = pixels[..., 0], pixels[..., 1]
        height, width = self.mask.shape
        held = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        found = self.outside[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        return np.where(held, found, 99.0)

    def iou(self, drawn: NDArray[np.bool_]) -> float:
        """IoU of the mask with another of the window's size."""
        return mask_iou(drawn, self.mask)


def attainable(mask: NDArray[np.bool_]) -> float:
    """The IoU with a mask that an outline still has which is a good half pixel off everywhere."""
    edge = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    return 1 - 0.6 * float(edge.sum()) / max(int(mask.sum()), 1)


def window_of(mask: NDArray[np.bool_], camera: Camera) -> Window:
    """The window of a non-empty mask; its holes are filled."""
    x0, y0, x1, y1 = mask_extent(mask)
    zoom = SIDE / max(y1 - y0, x1 - x0)
    size = (max(1, round((x1 - x0) * zoom)), max(1, round((y1 - y0) * zoom)))
    crop = mask[y0:y1, x0:x1].astype(np.uint8)
    given = crop.copy()
    outlines, _ = cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(crop, outlines, -1, 1, cv2.FILLED)
    way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    small, holed = (
        np.pad(
            (cv2.resize(part * np.uint8(255), size, interpolation=way) >= 128).reshape(size[1], size[0]),
            MARGIN,
        )
        for part in (crop, given)
    )
    outside = cv2.distanceTransform((~small).astype(np.uint8), cv2.DIST_L2, 3)
    sized = camera.crop(x0, y0, x1 - x0, y1 - y0).resized(*size)
    placed = sized.crop(-MARGIN, -MARGIN, small.shape[1], small.shape[0])
    return Window(small, outside, placed, small & ~holed)
