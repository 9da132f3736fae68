"""Shots from a survey.

A cut is a frame whose change stands out from its neighbours, after PySceneDetect's AdaptiveDetector: fast
motion changes many frames in a row and is no cut. Dissolves belong to neither of the shots on their sides.
Fades through black or white are not found; the gates see their dark frames. docs/adr/0007 has the
measurements.
"""

import numpy as np
from numpy.typing import NDArray

from workers.datasets.shots.dissolves import find_dissolves
from workers.datasets.shots.survey import Survey

# neighbours on each side, and by which factor a cut's change exceeds their mean: AdaptiveDetector's defaults
WINDOW, RATIO = 2, 3.0
# mean change of hue, saturation and value (0..255) that a cut has at least: AdaptiveDetector's default
LEAST_CONTENT = 15.0
# mean change that neighbours count as having at least, so that still frames before a cut do not divide by
# zero
LEAST_AROUND = 1.0
# seconds: changes closer than this count once; chosen, not measured
SHORTEST_SHOT = 0.5


def find_cuts(content: NDArray[np.float64]) -> list[int]:
    """The frames that begin a new shot, without frame 0; `content` is that of the survey."""
    return [index for index in range(1, len(content)) if _is_cut(content, index)]


def _is_cut(content: NDArray[np.float64], index: int) -> bool:
    value = content[index]
    if value < LEAST_CONTENT:
        return False
    around = [
        content[other]
        for other in range(index - WINDOW, index + WINDOW + 1)
        # frame 0 has nothing to be compared with
        if other != index and 1 <= other < len(content)
    ]
    return bool(value >= RATIO * max(float(np.mean(around)) if around else 0.0, LEAST_AROUND))


def find_transitions(survey: Survey) -> list[tuple[int, int]]:
    """The last frame of the shot before and the first of the one after each cut and dissolve, in order."""
    gradual = [(max(0, a - 1), min(len(survey) - 1, b + 1)) for a, b in find_dissolves(survey.dissolves)]
    sudden = [
        (cut - 1, cut)
        for cut in find_cuts(survey.content)
        if not any(before <= cut <= after for before, after in gradual)
    ]
    return sorted(gradual + sudden)


def find_shots(survey: Survey, seconds: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The first and last frame of each shot, inclusive; what lies between two is a dissolve.

    `seconds` are the times of the frames.
    """
    if not len(survey):
        return []
    shots, first = [], 0
    for before, after in find_transitions(survey):
        if before >= first and (seconds[after] - seconds[first] >= SHORTEST_SHOT or first == 0):
            shots.append((first, before))
            first = after
    return [*shots, (first, len(survey) - 1)]
