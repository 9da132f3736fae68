"""Boxes as records, in the axes of the camera and of the world."""

import numpy as np
from numpy.typing import NDArray

from workers.datasets import oriented_boxes
from workers.datasets.oriented_boxes import Box3d

Array = NDArray[np.float64]
IDENTITY = (1.0, 0.0, 0.0, 0.0)


def build_world_box(
    center: Array,
    rotation: tuple[float, ...],
    size: Array,
    pose: Array,
    *,
    scale: str,
    source: str,
    confidence: float,
    flags: tuple[str, ...] = (),
) -> Box3d:
    """A box that is known in the world, as a camera with that pose sees it."""
    cam_from_world = np.asarray(np.linalg.inv(pose), np.float64)
    center_cam, rotation_cam = oriented_boxes.transform_box(center, rotation, cam_from_world)
    return Box3d(
        center_cam=_to_floats(center_cam),
        rotation_cam=rotation_cam,
        center_world=_to_floats(center),
        rotation_world=rotation,
        size=_to_floats(size),
        scale_source=scale,
        source=source,
        confidence=confidence,
        flags=flags,
    )


def build_camera_box(
    center: Array,
    size: Array,
    pose: Array | None,
    *,
    scale: str,
    source: str,
    confidence: float,
    flags: tuple[str, ...],
) -> Box3d:
    """A box along the camera's axes, placed in the world where the pose is known."""
    center_world, rotation_world = None, None
    if pose is not None:
        placed, rotation_world = oriented_boxes.transform_box(center, IDENTITY, pose)
        center_world = _to_floats(placed)
    return Box3d(
        center_cam=_to_floats(center),
        rotation_cam=IDENTITY,
        center_world=center_world,
        rotation_world=rotation_world,
        size=_to_floats(size),
        scale_source=scale,
        source=source,
        confidence=confidence,
        flags=flags,
    )


def _to_floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
