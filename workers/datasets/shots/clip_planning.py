"""Shots from a survey, and clips from shots.

A cut is a frame whose change stands out from its neighbours, after PySceneDetect's AdaptiveDetector: fast
motion changes many frames in a row and is no cut. Dissolves are no part of the shots on either side. Fades
through black or white are not found; the gates see their dark frames.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.dissolves import find_dissolves
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.keys import hash_json

WINDOW = 2
RATIO = 3.0
LEAST_CONTENT = 15.0
SHORTEST_SHOT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """A clip to be: decoded frames `first` to `last`, inclusive, every `step`-th; times in seconds."""

    id: str
    source: int
    shot: int
    first: int
    last: int
    step: int
    pts: tuple[int, ...]
    start: float
    end: float
    length: float

    @property
    def frames(self) -> list[int]:
        """The decoded frames that are kept."""
        return list(range(self.first, self.last + 1, self.step))


def find_cuts(content: NDArray[np.float64]) -> list[int]:
    """The frames that begin a new shot, without frame 0."""
    found = []
    for index in range(1, len(content)):
        value = content[index]
        if value < LEAST_CONTENT:
            continue
        around = [
            content[other]
            for other in range(index - WINDOW, index + WINDOW + 1)
            # frame 0 has no change to compare with
            if other != index and 1 <= other < len(content)
        ]
        if value >= RATIO * max(float(np.mean(around)) if around else 0.0, 1.0):
            found.append(index)
    return found


def find_transitions(survey: Survey) -> list[tuple[int, int]]:
    """Last frame of the shot before and first frame of the one after each cut and dissolve, in order."""
    gradual = [(max(0, a - 1), min(len(survey) - 1, b + 1)) for a, b in find_dissolves(survey.mixes)]
    sudden = [
        (cut - 1, cut)
        for cut in find_cuts(survey.content)
        if not any(before <= cut <= after for before, after in gradual)
    ]
    return sorted(gradual + sudden)


def find_shots(survey: Survey, seconds: NDArray[np.float64]) -> list[tuple[int, int]]:
    """First and last frame of each shot, inclusive; what lies between two is a dissolve.

    Changes closer than half a second count once.
    """
    if not len(survey):
        return []
    found, first = [], 0
    for before, after in find_transitions(survey):
        if before >= first and (seconds[after] - seconds[first] >= SHORTEST_SHOT_SECONDS or first == 0):
            found.append((first, before))
            first = after
    return [*found, (first, len(survey) - 1)]


def plan_clips(
    source: Source, number: int, survey: Survey, settings: DatasetSettings
) -> tuple[int, list[ClipPlan]]:
    """How many shots there are, and the clips of each, trimmed at cuts and cut evenly."""
    seconds = survey.seconds()
    found = find_shots(survey, seconds)
    beat = survey.beat
    step = _step(beat, settings.frame_rate)
    plans = []
    for shot, (first, last) in enumerate(found):
        begin = seconds[first] + (settings.trim_seconds if first > 0 else 0.0)
        end = seconds[last] + beat - (settings.trim_seconds if last < len(survey) - 1 else 0.0)
        for start, stop in divide_span(begin, end, settings.clip_seconds, settings.least_seconds, beat):
            inside = np.flatnonzero((seconds >= start - 1e-9) & (seconds < stop - 1e-9))
            inside = inside[(inside >= first) & (inside <= last)]
            if not len(inside):
                continue
            a, b = int(inside[0]), int(inside[-1])
            kept = range(a, b + 1, step)
            identity = hash_json([source.sha256, a, b, step, settings.size])[:20]
            pts = tuple(int(survey.pts[index]) for index in kept)
            plans.append(
                ClipPlan(
                    identity,
                    number,
                    shot,
                    a,
                    b,
                    step,
                    pts,
                    float(seconds[a]),
                    float(seconds[kept[-1]]),
                    float(stop - start),
                )
            )
    return len(found), plans


def divide_span(
    begin: float, end: float, longest: float, shortest: float, beat: float
) -> list[tuple[float, float]]:
    """[start, stop) of equal clips that fill begin to end; one that is too short comes back as it is."""
    length = end - begin
    if length <= 0:
        return []
    count = max(1, int(np.ceil(length / longest - beat / longest / 2)))
    if count > 1 and length / count < shortest - beat / 2:
        # the shot is a little too long for one clip and too short for two: its end is left out
        count -= 1
        length = count * longest
    return [(begin + length * k / count, begin + length * (k + 1) / count) for k in range(count)]


def _step(beat: float, wanted: float | None) -> int:
    return 1 if wanted is None or beat <= 0 else max(1, round(1 / beat / wanted))
