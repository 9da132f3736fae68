"""Clips from shots: trimmed at cuts and divided evenly."""

import numpy as np
from numpy.typing import NDArray

from workers.datasets.clip_plan import ClipPlan
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.cuts import find_shots
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.keys import hash_json

# seconds: rounding of times never moves a frame from one clip to the next
ROUNDING = 1e-9


def plan_clips(
    source: Source, number: int, survey: Survey, settings: DatasetSettings
) -> tuple[int, list[ClipPlan]]:
    """How many shots a source has, and the clips of all of them; `number` counts sources from 0."""
    seconds = survey.seconds()
    shots = find_shots(survey, seconds)
    interval = survey.frame_interval
    step = _choose_step(interval, settings.frame_rate)
    plans = []
    for shot, (first, last) in enumerate(shots):
        begin = seconds[first] + (settings.trim_seconds if first > 0 else 0.0)
        end = seconds[last] + interval - (settings.trim_seconds if last < len(survey) - 1 else 0.0)
        spans = divide_span(begin, end, settings.clip_seconds, settings.least_seconds, interval)
        for start, stop in spans:
            kept = _select_frames(seconds, (first, last), (start, stop), step)
            if not kept:
                continue
            identity = hash_json([source.sha256, kept.start, kept.stop - 1, step, settings.size])[:20]
            plans.append(
                ClipPlan(
                    id=identity,
                    source=number,
                    shot=shot,
                    first=kept.start,
                    last=kept.stop - 1,
                    step=step,
                    pts=tuple(int(survey.pts[index]) for index in kept),
                    start=float(seconds[kept[0]]),
                    end=float(seconds[kept[-1]]),
                    length=float(stop - start),
                )
            )
    return len(shots), plans


def divide_span(
    begin: float, end: float, longest: float, shortest: float, interval: float
) -> list[tuple[float, float]]:
    """Times [start, stop) of equal clips that fill begin to end; a span that is too short is one clip.

    All are seconds; `interval` is that between two frames, half of which a clip may be off.
    """
    length = end - begin
    if length <= 0:
        return []
    count = max(1, int(np.ceil(length / longest - interval / longest / 2)))
    if count > 1 and length / count < shortest - interval / 2:
        # the shot is a little too long for one clip and too short for two: its end is left out
        count -= 1
        length = count * longest
    return [(begin + length * k / count, begin + length * (k + 1) / count) for k in range(count)]


def _select_frames(
    seconds: NDArray[np.float64], shot: tuple[int, int], span: tuple[float, float], step: int
) -> range:
    """Every `step`-th frame of a shot (first, last) whose time lies in [start, stop); may be empty."""
    inside = np.flatnonzero((seconds >= span[0] - ROUNDING) & (seconds < span[1] - ROUNDING))
    inside = inside[(inside >= shot[0]) & (inside <= shot[1])]
    return range(int(inside[0]), int(inside[-1]) + 1, step) if len(inside) else range(0)


def _choose_step(interval: float, frame_rate: float | None) -> int:
    """Every how many frames one is kept for the wanted frames per second."""
    return 1 if frame_rate is None or interval <= 0 else max(1, round(1 / interval / frame_rate))
