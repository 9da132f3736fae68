"""Geometry on the wire. Pixels have centres at +0.5; cameras are OpenCV; quaternions are wxyz."""

from typing import Annotated

from pydantic import Field, model_validator

from maquette.contract.base import Wire

Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector3 = tuple[Finite, Finite, Finite]
Quaternion = tuple[Finite, Finite, Finite, Finite]


class Box(Wire):
    """An axis-aligned box in pixels, end-exclusive: x0 <= x < x1, y0 <= y < y1."""

    x0: Finite
    y0: Finite
    x1: Finite
    y1: Finite

    @model_validator(mode="after")
    def _ordered(self) -> "Box":
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise ValueError("a box needs x1 > x0 and y1 > y0 (xyxy pixels, end-exclusive)")
        return self

    def xyxy(self) -> tuple[float, float, float, float]:
        return (self.x0, self.y0, self.x1, self.y1)


class Point(Wire):
    """A click in pixels; label 1 lies on the object, 0 lies off it."""

    x: Finite
    y: Finite
    label: Annotated[int, Field(ge=0, le=1)] = 1


class Rle(Wire):
    """A mask in compressed COCO run-length encoding; `size` is [height, width]."""

    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    counts: Annotated[str, Field(min_length=1, max_length=8_000_000)]


class Intrinsics(Wire):
    """Pinhole intrinsics in pixels of the full image, pixel centres at +0.5."""

    fx: Annotated[float, Field(gt=0, le=1e7)]
    fy: Annotated[float, Field(gt=0, le=1e7)]
    cx: Finite
    cy: Finite


class CameraModel(Wire):
    """Intrinsics with the image size and where they come from: given, exif or assumed."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    source: str


class Pose(Wire):
    """p_camera = scale * R(rotation_wxyz) @ p_object + translation; camera axes are OpenCV."""

    rotation_wxyz: Quaternion
    translation: Vector3
    scale: Annotated[float, Field(gt=0)]
