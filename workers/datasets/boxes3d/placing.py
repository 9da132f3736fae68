"""Boxes as records, in the axes of the camera and of the world."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from workers.datasets import oriented_boxes
from workers.datasets.oriented_boxes import Box3d

Array = NDArray[np.float64]
# a centre xyz and a rotation wxyz
Placement = tuple[Array, tuple[float, ...]]
IDENTITY = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxEvidence:
    """What a box rests on, in the words of `Box3d`."""

    scale_source: str
    source: str
    confidence: float
    flags: tuple[str, ...] = ()


def build_world_box(
    center: Array, rotation: tuple[float, ...], size: Array, pose: Array, evidence: BoxEvidence
) -> Box3d:
    """A box that is known in the world, as a camera with that pose sees it."""
    cam_from_world = np.asarray(np.linalg.inv(pose), np.float64)
    in_camera = oriented_boxes.transform_box(center, rotation, cam_from_world)
    return _build_box(in_camera, (center, rotation), size, evidence)


def build_camera_box(center: Array, size: Array, pose: Array | None, evidence: BoxEvidence) -> Box3d:
    """A box along the camera's axes, placed in the world where the pose is known."""
    in_world = None if pose is None else oriented_boxes.transform_box(center, IDENTITY, pose)
    return _build_box((center, IDENTITY), in_world, size, evidence)


def _build_box(in_camera: Placement, in_world: Placement | None, size: Array, evidence: BoxEvidence) -> Box3d:
    return Box3d(
        center_cam=_to_floats(in_camera[0]),
        rotation_cam=in_camera[1],
        center_world=None if in_world is None else _to_floats(in_world[0]),
        rotation_world=None if in_world is None else in_world[1],
        size=_to_floats(size),
        **asdict(evidence),
    )


def _to_floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
