"""Facts of camera motion: searched in simple English, checked against the camera's poses."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.datasets.schema import CameraRow

Array = NDArray[np.float64]
# degrees, and metres: a camera that turns and moves less stands still. Chosen, not measured
TURNS, MOVES = 2.0, 0.05
# the same for a world of unknown scale, which says whether the camera moves and not how far
MOVES_AT_ALL = 1e-6
# share of the distance along a direction that counts as moving in it; chosen, not measured
ALONG = 0.3
# one in so many frames is left out at each end, as captions may be made from the ends; chosen, not measured
ENDS = 8
STILL = re.compile(
    r"\bcamera (?:stands|stays|is|remains|holds) (?:still|static|fixed|stationary|in place)\b"
    r"|\bcamera (?:does not|doesn't) move\b|\b(?:static|fixed|still|stationary) (?:camera|shot)\b"
)
MOVING = re.compile(
    r"\bcamera (?:is |slowly |quickly )*"
    r"(mov|pan|tilt|turn|rotat|doll|travel|orbit|circl|track|push|pull)(?:s|es|ies|ing|ning|yes)?\b([^.;,]*)"
)
TURNING = ("pan", "tilt", "turn", "rotat")
# word, axis and sign in OpenCV camera axes
DIRECTIONS: tuple[tuple[re.Pattern[str], int, int], ...] = (
    (re.compile(r"\bright\b"), 0, 1),
    (re.compile(r"\bleft\b"), 0, -1),
    (re.compile(r"\bup(?:ward|wards)?\b"), 1, -1),
    (re.compile(r"\bdown(?:ward|wards)?\b"), 1, 1),
    (re.compile(r"\b(?:forward|forwards|in|closer)\b"), 2, 1),
    (re.compile(r"\b(?:back|backward|backwards|away|out)\b"), 2, -1),
)


def check_camera_motion(text: str, cameras: Sequence[CameraRow], scale: str | None) -> bool | None:
    """Whether the camera stands still or moves as stated; None without a statement or without its poses."""
    still, moving = STILL.search(text), MOVING.search(text)
    poses = [np.reshape(row.world_from_cam, (4, 4)) for row in cameras if row.world_from_cam is not None]
    if bool(still) == bool(moving) or len(poses) < max(2, len(cameras) // 2):
        return None
    steps = _measure_steps(poses)
    least = MOVES if scale == "metric" else MOVES_AT_ALL
    turned = max(_measure_degrees(step) for step in steps)
    moved = max(float(np.linalg.norm(step[:3, 3])) for step in steps)
    if moving is None:
        return turned < 2 * TURNS and moved < 2 * least
    if turned < TURNS / 2 and moved < least / 2:
        return False
    stated = [(axis, sign) for word, axis, sign in DIRECTIONS if word.search(moving[2])]
    check = _turns_toward if moving[1] in TURNING else _moves_toward
    return all(check(steps[-1], axis, sign) for axis, sign in stated)


def _measure_steps(poses: Sequence[Array]) -> list[Array]:
    """The motions (4, 4) from an early pose to those after it, in its axes."""
    inside = len(poses) // ENDS
    first = np.linalg.inv(poses[inside])
    return [np.asarray(first @ pose, np.float64) for pose in poses[inside : len(poses) - inside]]


def _turns_toward(step: Array, axis: int, sign: int) -> bool:
    # where the camera looks in the end, in the axes of the beginning
    ahead = step[:3, 2]
    return axis < 2 and sign * float(np.degrees(np.arctan2(ahead[axis], ahead[2]))) >= TURNS / 2


def _moves_toward(step: Array, axis: int, sign: int) -> bool:
    moved = step[:3, 3]
    return sign * float(moved[axis]) >= ALONG * float(np.linalg.norm(moved))


def _measure_degrees(step: Array) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(step[:3, :3]) - 1) / 2, -1, 1))))
