"""Geometry of requests and results: pixel centres at +0.5, OpenCV cameras, quaternions wxyz."""

import math
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from maquette.contract.base import RequestModel

Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector3 = tuple[Finite, Finite, Finite]
Quaternion = tuple[Finite, Finite, Finite, Finite]
Row = tuple[Finite, Finite, Finite, Finite]
# fields of view beyond these are taken for a mistake in the units; chosen, not measured
WIDEST_DEGREES, NARROWEST_DEGREES = 170.0, 0.5

# pixels; engines take narrower boxes for lines
MIN_SIDE = 1e-6


def _check_rigid(rows: tuple[Row, Row, Row, Row]) -> tuple[Row, Row, Row, Row]:
    if any(abs(a - b) > 1e-6 for a, b in zip(rows[3], (0, 0, 0, 1), strict=True)):
        raise ValueError("the last row of a rigid motion is 0 0 0 1")
    axes = [row[:3] for row in rows[:3]]
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        dot = sum(a * b for a, b in zip(axes[i], axes[j], strict=True))
        if abs(dot - (i == j)) > 1e-3:
            raise ValueError("the upper left 3x3 of a rigid motion is a rotation: its rows are orthonormal")
    (a, b, c), (d, e, f), (g, h, k) = axes
    if a * (e * k - f * h) - b * (d * k - f * g) + c * (d * h - e * g) < 0:
        raise ValueError("the upper left 3x3 of a rigid motion is a reflection: its determinant must be +1")
    return rows


RigidMotion = Annotated[tuple[Row, Row, Row, Row], AfterValidator(_check_rigid)]


class Box(RequestModel):
    """An axis-aligned box in pixels, end-exclusive: x0 <= x < x1, y0 <= y < y1."""

    x0: Finite
    y0: Finite
    x1: Finite
    y1: Finite

    @model_validator(mode="after")
    def _check_order(self) -> "Box":
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise ValueError("a box needs x1 > x0 and y1 > y0 (xyxy pixels, end-exclusive)")
        return self

    def xyxy(self) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1."""
        return (self.x0, self.y0, self.x1, self.y1)

    def is_outside(self, width: int, height: int) -> bool:
        """Whether no part of it, or only a line, lies in an image of that size."""
        shown_width = min(self.x1, width) - max(self.x0, 0)
        shown_height = min(self.y1, height) - max(self.y0, 0)
        return min(shown_width, shown_height) < MIN_SIDE


class Point(RequestModel):
    """A point in pixels."""

    x: Finite
    y: Finite
    label: Annotated[int, Field(ge=0, le=1)] = 1
    """1 lies on the object, 0 does not."""

    def is_outside(self, width: int, height: int) -> bool:
        """Whether it lies outside an image of that size; points on the edges lie inside."""
        return not (0 <= self.x <= width and 0 <= self.y <= height)


class Rle(RequestModel):
    """A mask in compressed COCO run-length encoding."""

    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    """Height and width."""
    counts: Annotated[str, Field(min_length=1, max_length=8_000_000)]


class Intrinsics(RequestModel):
    """Pinhole intrinsics in pixels of the full image, pixel centres at +0.5."""

    fx: Annotated[float, Field(gt=0, le=1e7)]
    fy: Annotated[float, Field(gt=0, le=1e7)]
    cx: Finite
    cy: Finite

    def fields_of_view(self, width: int, height: int) -> tuple[float, float]:
        """Return the horizontal and vertical angles in degrees of an image of `width` x `height` pixels."""
        return (
            math.degrees(math.atan((width - self.cx) / self.fx) + math.atan(self.cx / self.fx)),
            math.degrees(math.atan((height - self.cy) / self.fy) + math.atan(self.cy / self.fy)),
        )

    def why_implausible(self, width: int, height: int) -> str | None:
        """Say why no camera has these intrinsics for an image of that size; None when they are plausible."""
        across, down = self.fields_of_view(width, height)
        if max(across, down) > WIDEST_DEGREES or min(across, down) < NARROWEST_DEGREES:
            return (
                f"a {width} x {height} image would span {across:.4g} x {down:.4g} degrees; "
                f"{NARROWEST_DEGREES:g} to {WIDEST_DEGREES:g} are plausible: give fx, fy, cx and cy in pixels"
            )
        return None


class CameraModel(RequestModel):
    """Intrinsics in pixels with the image size."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    source: str
    """Where they come from: given, exif, estimated or assumed."""


class Pose(RequestModel):
    """p_camera = scale * R(rotation_wxyz) @ p_object + translation; camera axes are OpenCV."""

    rotation_wxyz: Quaternion
    translation: Vector3
    scale: Annotated[float, Field(gt=0)]
