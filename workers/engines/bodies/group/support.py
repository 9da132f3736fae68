"""Whether people's legs carry them: who sits or leaps may as well hang above the floor.

A floor under the feet fits everybody who is alone, and sizes of people vary by more than most leaps. What a
pose shows: thighs that are both near level carry nobody for certain, and feet that all point down stand on
nothing flat.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.observations import HEELS, HIPS, KNEES, TOES

Floats = NDArray[np.float64]
# Degrees over level under which no thigh carries. Through BlazePose (seeds 4100 to 4600 of bench
# `bodies.scenes`) this holds for none of 210 people who stand upright, and for 29 of 31 with level thighs.
LEVEL_DEGREES = 35.0
# Degrees below level from which feet point down. This holds for 5% of the same 210, whose feet are read
# badly, so it counts only where nobody else shows the floor.
POINTED_DEGREES = 50.0
# Metres below which a bone has no direction: it counts as level.
SHORTEST_METRES = 1e-9


def find_hanging(
    poses: Sequence[Floats], up: Floats, feet: Sequence[tuple[bool, bool]], on_floor: Sequence[bool]
) -> list[bool]:
    """Which of N people may as well hang above the floor.

    `poses` are landmarks (33, 3), `up` (3,) is a unit vector, `feet` are those that are seen, left and right,
    and `on_floor` is whether they fit the floor.
    """
    level = [bool(_measure_sides(pose, HIPS, KNEES, up).max() < LEVEL_DEGREES) for pose in poses]
    pointed = [
        any(shown) and bool((_measure_sides(pose, HEELS, TOES, up)[list(shown)] > POINTED_DEGREES).all())
        for pose, shown in zip(poses, feet, strict=True)
    ]
    each = list(zip(on_floor, level, pointed, strict=True))
    is_floor_shown = any(fits and not (lifted or points) for fits, lifted, points in each)
    return [lifted or (points and not is_floor_shown) for _, lifted, points in each]


def measure_slopes(bones: Floats, up: Floats) -> Floats:
    """Degrees (...) by which bones (..., 3) rise against the horizontal; `up` (3,) is a unit vector."""
    rises = bones @ up / np.maximum(np.linalg.norm(bones, axis=-1), SHORTEST_METRES)
    slopes: Floats = np.degrees(np.arcsin(np.clip(rises, -1.0, 1.0)))
    return slopes


def _measure_sides(landmarks: Floats, tops: tuple[int, int], ends: tuple[int, int], up: Floats) -> Floats:
    """Degrees (2,) by which the bones from `ends` to `tops` rise, left and right."""
    return measure_slopes(landmarks[list(tops)] - landmarks[list(ends)], up)
