"""Edits of objects as Neural Assets does them: move, rotate, resize, replace. Only tokens change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets import oriented_boxes
from workers.datasets.schema import ObservationRow
from workers.geometry.poses import matrix_from_quaternion

Floats = NDArray[np.float64]
ROTATION_DEGREES = 45.0
RESIZE_FACTOR = 1.3
# over the longest side of the object
MOVE_DISTANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectEdit:
    """Row `row` gets the corners (8, 3) in camera axes, or the appearance of row `appearance`.

    `values` says by how much: metres or camera units along camera x, degrees about the upright axis of the
    box, a factor, or the track whose appearance is taken.
    """

    operation: str
    row: int
    track: int
    corners: Floats | None = None
    appearance: int | None = None
    values: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """What the edit does to which object."""
        return {
            "operation": self.operation,
            "row": self.row,
            "track": self.track,
            "rendered": False,
            **self.values,
        }


def propose_edits(rows: Sequence[ObservationRow]) -> list[ObjectEdit]:
    """One edit of each kind, of the largest object; `replace` needs a second object."""
    row = max(range(len(rows)), key=lambda index: rows[index].area)
    target = rows[row]
    assert target.center_cam is not None and target.rotation_cam is not None and target.size is not None
    center, size = np.array(target.center_cam), np.array(target.size)
    rotation = matrix_from_quaternion(target.rotation_cam)
    # towards the middle of the image, so that it stays in view
    step = MOVE_DISTANCE * float(size.max()) * (-1.0 if center[0] > 0 else 1.0)
    axis = _find_upright_axis(rotation)
    turned = rotation @ _rotate_about(axis, ROTATION_DEGREES)
    shapes: list[tuple[str, Floats, dict[str, float]]] = [
        ("move", _build_corners(center + np.array([step, 0, 0]), size, rotation), {"x": step}),
        (
            "rotate",
            _build_corners(center, size, turned),
            {"degrees": ROTATION_DEGREES, "axis": float(axis)},
        ),
        ("resize", _build_corners(center, size * RESIZE_FACTOR, rotation), {"factor": RESIZE_FACTOR}),
    ]
    edits = [
        ObjectEdit(operation=operation, row=row, track=target.track, corners=corners, values=values)
        for operation, corners, values in shapes
    ]
    if len(rows) > 1:
        other = (row + 1) % len(rows)
        values = {"by_track": float(rows[other].track)}
        edits.append(
            ObjectEdit(operation="replace", row=row, track=target.track, appearance=other, values=values)
        )
    return edits


def _build_corners(center: Floats, size: Floats, rotation: Floats) -> Floats:
    return oriented_boxes.SIGNS * size @ rotation.T + center


def _find_upright_axis(rotation: Floats) -> int:
    """The axis of the box that is nearest to the camera's vertical: which way is up is not recorded."""
    return int(np.abs(rotation[1]).argmax())


def _rotate_about(axis: int, degrees: float) -> Floats:
    """The rotation matrix (3, 3) about one of the axes."""
    angle = np.radians(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    out = np.eye(3)
    out[first, first] = out[second, second] = np.cos(angle)
    out[first, second], out[second, first] = -np.sin(angle), np.sin(angle)
    return out
