"""Rotated square regions of an image, and images with all people but one greyed out."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask, Rgb
from workers.geometry.overlap import box_iou

GREY = 127
# Box IoU above which two boxes count as the same person: greying one out would erase the other. Chosen, not
# measured.
SAME_BOX = 0.6
# Upper bound of a region's size over the longer side of its box: only this part of the image is greyed.
REACH = 4.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CropRegion:
    """A square of `size` pixels about (x, y), turned clockwise by `angle` radians in the image."""

    x: float
    y: float
    size: float
    angle: float = 0.0

    @classmethod
    def around(cls, box: Box, scale: float) -> "CropRegion":
        """The upright square around a box, its longer side times `scale`."""
        x0, y0, x1, y1 = box
        return cls((x0 + x1) / 2, (y0 + y1) / 2, scale * max(x1 - x0, y1 - y0))

    @classmethod
    def aligned(cls, hip: Floats, top: Floats, scale: float) -> "CropRegion":
        """MediaPipe's alignment: centred at the hips, upright, twice the distance to `top` wide."""
        dx, dy = (float(v) for v in top - hip)
        size = 2.0 * float(np.hypot(dx, dy)) * scale
        return cls(float(hip[0]), float(hip[1]), size, float(np.arctan2(dx, -dy)))

    def rotation(self) -> Floats:
        """CropRegion axes to image axes (2, 2)."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    def to_image(self, points: Floats) -> Floats:
        """Points (..., 2) in [0, 1] of the region to image pixels."""
        pixels: Floats = (points - 0.5) * self.size @ self.rotation().T + np.array([self.x, self.y])
        return pixels

    def bounds(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Pixel bounds of the region's corners inside an image, end-exclusive."""
        corners = self.to_image(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        (x0, y0), (x1, y1) = corners.min(axis=0) - 2, corners.max(axis=0) + 2
        return to_pixel_bounds((float(x0), float(y0), float(x1), float(y1)), width, height)

    def extract(self, image: Rgb, side: int) -> NDArray[np.uint8]:
        """The region as (side, side, 3), grey outside the image."""
        x0, y0, x1, y1 = self.bounds(image.shape[1], image.shape[0])
        if x0 >= x1 or y0 >= y1:
            return np.full((side, side, 3), GREY, dtype=np.uint8)
        small, fx, fy = image[y0:y1, x0:x1], 1.0, 1.0
        shrink = self.size / side
        if shrink > 2:
            # Bilinear sampling skips pixels when it shrinks by more than two: average first.
            size = [max(1, round(n / np.floor(shrink))) for n in (x1 - x0, y1 - y0)]
            fx, fy = size[0] / (x1 - x0), size[1] / (y1 - y0)
            small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
        # Pixel centres lie at +0.5 here and at 0 in OpenCV.
        turn = self.rotation() * (self.size / side)
        offset = np.array([self.x - x0, self.y - y0]) - turn @ np.full(2, (side - 1) / 2)
        inverse = np.concatenate([turn, offset[:, None]], axis=1) * np.array([[fx], [fy]])
        inverse[:, 2] -= 0.5
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out: NDArray[np.uint8] = cv2.warpAffine(
            small, inverse, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=(GREY,) * 3
        )
        return out


def grey_out_others(image: Rgb, index: int, boxes: Sequence[Box], masks: Sequence[Mask] | None) -> Rgb:
    """A copy of the image with the other people greyed out: their masks, or without masks their boxes.

    A pixel that is also inside the person's own mask or box stays.
    """
    if len(boxes) < 2:
        return image
    left, top, right, bottom = CropRegion.around(boxes[index], REACH).bounds(image.shape[1], image.shape[0])
    near = np.s_[top:bottom, left:right]
    others = np.zeros((max(0, bottom - top), max(0, right - left)), dtype=np.bool_)
    for k, box in enumerate(boxes):
        if k == index or box_iou(box, boxes[index]) > SAME_BOX:
            continue
        if masks is not None:
            others |= masks[k][near]
        else:
            others[_inside(box, left, top, right, bottom)] = True
    if masks is not None:
        others &= ~masks[index][near]
    else:
        others[_inside(boxes[index], left, top, right, bottom)] = False
    out = image.copy()
    out[near][others] = GREY
    return out


def _inside(box: Box, left: int, top: int, right: int, bottom: int) -> tuple[slice, slice]:
    """A box as rows and columns of the window whose corner is (left, top)."""
    x0, y0, x1, y1 = to_pixel_bounds(box, right, bottom)
    return np.s_[max(y0 - top, 0) : max(y1 - top, 0), max(x0 - left, 0) : max(x1 - left, 0)]


def to_pixel_bounds(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """A box as integer pixel bounds inside the image, end-exclusive."""
    x0, y0, x1, y1 = box
    left, top = max(0, int(np.floor(x0))), max(0, int(np.floor(y0)))
    return left, top, min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))
