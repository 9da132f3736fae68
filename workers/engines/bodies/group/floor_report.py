"""The floor under bodies as they are: for engines that recover each person alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workers.engines.protocols import BodyEstimate, FloorPlane, Gravity

ASSUMED_GRAVITY = Gravity(direction=(0.0, 1.0, 0.0), source="assumed")
# Metres between a body's lowest point and the floor up to which it stands on it. Chosen, not measured.
GROUNDED_METRES = 0.10


def report_floor(bodies: Sequence[BodyEstimate], gravity: Gravity | None = None) -> list[BodyEstimate]:
    """The bodies with the floor that most of them stand on; nothing else of them changes.

    Without a given `gravity` the camera is taken for level. Bodies whose feet are outside the image have
    `grounded` None; where all are, there is no floor.
    """
    gravity = gravity or ASSUMED_GRAVITY
    up = -np.array(gravity.direction)
    lowest = [float((body.vertices @ up).min()) for body in bodies]
    shows_feet = ["truncated" not in body.flags for body in bodies]
    seen = [height for height, seen in zip(lowest, shows_feet, strict=True) if seen]
    if not seen:
        return [replace(body, gravity=gravity) for body in bodies]
    level = float(np.median(seen))
    grounded = [
        abs(height - level) < GROUNDED_METRES if seen else None
        for height, seen in zip(lowest, shows_feet, strict=True)
    ]
    people = sum(bool(state) for state in grounded)
    x, y, z = (float(value) for value in up)
    floor = FloorPlane(normal=(x, y, z), offset=-level, feet=None, people=people)
    return [
        replace(body, gravity=gravity, floor=floor, grounded=state)
        for body, state in zip(bodies, grounded, strict=True)
    ]
