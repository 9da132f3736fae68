"""Edits of objects as Neural Assets does them: move, rotate, resize, replace. Only tokens change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets import oriented_boxes
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow
from workers.geometry.poses import matrix_from_quaternion

Floats = NDArray[np.float64]
TURN_DEGREES = 45.0
GROW = 1.3
# of the object's longest side
STEP = 0.5


@dataclass(frozen=True, slots=True)
class ObjectEdit:
    """Row `row` gets the corners (8, 3) in camera axes, or the appearance of another row.

    `values` says by how much: metres or camera units along camera x, degrees about the box's upright axis,
    or a factor.
    """

    operation: str
    row: int
    track: int
    corners: Floats | None
    appearance: int | None
    values: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """What was done to whom."""
        return {"operation": self.operation, "row": self.row, "track": self.track, **self.values}


def propose_edits(clip: SceneClip, rows: Sequence[ObservationRow]) -> list[ObjectEdit]:
    """One edit of each kind, of the largest object; `replace` needs a second one."""
    row = max(range(len(rows)), key=lambda index: rows[index].area)
    seen = rows[row]
    assert seen.center_cam is not None and seen.rotation_cam is not None and seen.size is not None
    center, size = np.array(seen.center_cam), np.array(seen.size)
    turn = matrix_from_quaternion(seen.rotation_cam)
    # towards the middle of the picture, so that it stays in sight
    step = STEP * float(size.max()) * (-1.0 if center[0] > 0 else 1.0)
    axis = _upright(turn)
    made = [
        ObjectEdit(
            "move", row, seen.track, _box(center + np.array([step, 0, 0]), size, turn), None, {"x": step}
        ),
        ObjectEdit(
            "rotate",
            row,
            seen.track,
            _box(center, size, turn @ _about(axis, TURN_DEGREES)),
            None,
            {"degrees": TURN_DEGREES, "axis": float(axis)},
        ),
        ObjectEdit("resize", row, seen.track, _box(center, size * GROW, turn), None, {"factor": GROW}),
    ]
    if len(rows) > 1:
        other = (row + 1) % len(rows)
        made.append(
            ObjectEdit("replace", row, seen.track, None, other, {"by_track": float(rows[other].track)})
        )
    return made


def _box(center: Floats, size: Floats, turn: Floats) -> Floats:
    return oriented_boxes.SIGNS * size @ turn.T + center


def _upright(turn: Floats) -> int:
    """The box's own axis that is nearest to the camera's vertical: which way is up is not recorded."""
    return int(np.abs(turn[1]).argmax())


def _about(axis: int, degrees: float) -> Floats:
    angle = np.radians(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    out = np.eye(3)
    out[first, first] = out[second, second] = np.cos(angle)
    out[first, second], out[second, first] = -np.sin(angle), np.sin(angle)
    return out
