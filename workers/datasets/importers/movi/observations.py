"""Observations of a MOVi example: masks, and 3D boxes in camera and world."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.datasets import oriented_boxes
from workers.datasets.importers.movi.example import MoviExample
from workers.datasets.schema import ObservationRow
from workers.formats.rle import encode_mask
from workers.geometry.boxes import bounding_box
from workers.geometry.poses import matrix_from_quaternion, quaternion_from_matrix

Floats = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box3d:
    center_cam: Floats
    rotation_cam: Floats
    center_world: Floats
    rotation_world: Floats
    size: Floats


def build_observations(example: MoviExample) -> list[ObservationRow]:
    """One row per frame and instance whose mask is not empty, by frame and then by track."""
    observations = []
    for frame in range(len(example)):
        for instance in range(len(example.quaternions)):
            mask = example.ids[frame] == instance + 1
            if mask.any():
                observations.append(_build_observation(example, frame, instance, mask))
    return observations


def _build_observation(
    example: MoviExample, frame: int, instance: int, mask: NDArray[np.bool_]
) -> ObservationRow:
    height, width = example.size
    x0, y0, x1, y1 = bounding_box(mask)
    box = _build_box_3d(example, frame, instance)
    return ObservationRow(
        clip=example.clip,
        frame=frame,
        track=instance + 1,
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        score=1.0,
        mask_height=height,
        mask_width=width,
        mask_counts=encode_mask(mask)["counts"],
        area=int(mask.sum()),
        depth=_measure_depth(example, frame, mask),
        center_cam=box.center_cam if box else None,
        rotation_cam=box.rotation_cam if box else None,
        center_world=box.center_world if box else None,
        rotation_world=box.rotation_world if box else None,
        size=box.size if box else None,
        scale_source=example.scale_source if box else None,
        box3d_source="given" if box else None,
        box3d_confidence=1.0 if box else None,
        flags=(),
    )


def _measure_depth(example: MoviExample, frame: int, mask: NDArray[np.bool_]) -> float | None:
    """The median z-depth of a mask; None where it is unknown everywhere."""
    if example.depth is None:
        return None
    depth = example.depth[frame][mask]
    known = depth[np.isfinite(depth)]
    return float(np.median(known)) if len(known) else None


def _build_box_3d(example: MoviExample, frame: int, instance: int) -> _Box3d | None:
    """The box of an instance; None where it is unknown. Raises ValueError for another order of corners."""
    corners, quaternion = example.corners[instance][frame], example.quaternions[instance][frame]
    if not (np.isfinite(corners).all() and np.isfinite(quaternion).all()):
        return None
    center = corners.mean(axis=0)
    # corners in the axes of the box: the first is the lowest on every axis, the last the highest
    own_corners = corners @ matrix_from_quaternion(quaternion)
    size = own_corners[7] - own_corners[0]
    if (size <= 0).any():
        raise ValueError(f"the corners of instance {instance} are in another order")
    quaternion = quaternion / np.linalg.norm(quaternion)
    cam_from_world = np.linalg.inv(example.world_from_cam[frame])
    center_cam, rotation_cam = oriented_boxes.transform_box(center, quaternion, cam_from_world)
    return _Box3d(
        center_cam=_to_floats(center_cam),
        rotation_cam=_to_floats(rotation_cam),
        center_world=_to_floats(center),
        rotation_world=_to_floats(quaternion_from_matrix(matrix_from_quaternion(quaternion))),
        size=_to_floats(size),
    )


def _to_floats(values: NDArray[np.float64] | Floats) -> Floats:
    return tuple(float(value) for value in values)
