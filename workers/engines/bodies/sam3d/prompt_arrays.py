"""Prompts of people as the arrays that the child takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from maquette.contract import Problem
from numpy.typing import NDArray

from workers.engines.bodies.sam3d.keypoints import MHR_70
from workers.engines.bodies.sam3d.prompting import NO_PROMPT
from workers.engines.protocols import BodyControls, Box, PersonHints, RequestRefused

UNKNOWN_BOX = (np.nan,) * 4


def encode_prompts(controls: BodyControls, kept: Sequence[int]) -> dict[str, NDArray[Any]]:
    """`points` (N, K, 3) and `hands` (N, 2, 4) of the N people in `kept`; nothing where nothing is said.

    Raises RequestRefused `keypoint_unknown` for a key point that MHR does not have.
    """
    if not controls.people and controls.refined is None:
        return {}
    people = [controls.people[i] for i in kept] if controls.people else [PersonHints()] * len(kept)
    most = max(1, *(len(person.keypoints) for person in people))
    points = np.zeros((len(people), most, 3), np.float32)
    points[..., 2] = NO_PROMPT
    for row, person in zip(points, people, strict=True):
        for place, (name, x, y) in enumerate(person.keypoints):
            row[place] = x, y, _find_keypoint(name)
    hands: list[list[Box | tuple[float, ...]]] = [
        [person.left_hand or UNKNOWN_BOX, person.right_hand or UNKNOWN_BOX] for person in people
    ]
    return {"points": points, "hands": np.array(hands, np.float32)}


def _find_keypoint(name: str) -> int:
    if name not in MHR_70:
        detail = f"{name!r} is no key point of sam3d_body: it has {', '.join(MHR_70)}"
        raise RequestRefused(Problem.from_code("keypoint_unknown", 422, detail))
    return MHR_70.index(name)
