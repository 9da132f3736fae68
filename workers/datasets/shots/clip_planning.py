"""Clips from shots: trimmed at cuts, divided evenly, their frames chosen on an exact grid of times."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from workers.datasets.clip_plan import ClipPlan
from workers.datasets.compact_ints import CompactInts
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.cuts import find_shots
from workers.datasets.shots.frame_times import FrameTimes
from workers.datasets.shots.rate_grid import GridFrame, choose_frames, is_complete, place_frames
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.keys import hash_json

# share of an interval by which a frame may come before its clip: rounding of times, to milliseconds in some
# files, never moves a frame from one clip to the next
EDGE_SLACK = 0.05


def plan_clips(
    source: Source, number: int, survey: Survey, times: FrameTimes, settings: DatasetSettings
) -> tuple[int, list[ClipPlan]]:
    """How many shots a source has, and the clips of all of them; `number` counts sources from 0."""
    seconds, interval = times.seconds(), times.interval
    shots = find_shots(survey, seconds)
    plans = []
    for shot, (first, last) in enumerate(shots):
        for left, right in _split_at_jumps(first, last, times.jumps):
            # what a jump of the clock parts is no other image: only cuts are trimmed
            begin = seconds[left] + (settings.trim_seconds if left == first > 0 else 0.0)
            is_cut = right == last < len(survey) - 1
            end = seconds[right] + interval - (settings.trim_seconds if is_cut else 0.0)
            spans = divide_span(begin, end, settings.clip_seconds, settings.least_seconds, interval)
            for start, stop in spans:
                early = EDGE_SLACK * interval
                inside = np.flatnonzero((seconds >= start - early) & (seconds < stop - early))
                inside = inside[(inside >= left) & (inside <= right)]
                if len(inside):
                    span = float(start), float(stop)
                    plans.append(_plan_clip(source, (number, shot), times, inside.tolist(), span, settings))
    return len(shots), plans


def _split_at_jumps(first: int, last: int, jumps: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and last frame of the parts of a shot between jumps of the clock."""
    for jump in jumps:
        if first < jump <= last:
            yield first, jump - 1
            first = jump
    yield first, last


def _plan_clip(
    source: Source,
    numbers: tuple[int, int],
    times: FrameTimes,
    inside: Sequence[int],
    span: tuple[float, float],
    settings: DatasetSettings,
) -> ClipPlan:
    """The clip of the decoded frames `inside` a span in seconds; `numbers` are those of source and shot."""
    chosen, rate = _choose(times, inside, span[1], settings.grid_rate)
    frames = [inside[frame.index] for frame in chosen]
    step = 1 if len(frames) < 2 else max(1, round((frames[-1] - frames[0]) / (len(frames) - 1)))
    grid = settings.grid_rate
    has_grid = rate is not None
    identity = hash_json(
        [source.sha256, frames[0], frames[-1], 1 if grid is None else str(grid), settings.size]
    )[:20]
    flags = {
        "grid_incomplete": has_grid and not is_complete(chosen),
        "frame_rate_below_grid": is_below_grid(times, grid),
        "times_repaired": "times_repaired" in times.flags,
        "times_broken": bool(times.broken[frames[0] : frames[-1] + 1].any()),
        "variable_frame_rate": "variable_frame_rate" in times.flags,
    }
    return ClipPlan(
        id=identity,
        source=numbers[0],
        shot=numbers[1],
        first=frames[0],
        last=frames[-1],
        step=step,
        frames=CompactInts.pack(frames),
        pts=CompactInts.pack(times.pts[frames].tolist()),
        time_base=(times.time_base.numerator, times.time_base.denominator),
        start=float(times.pts[frames[0]] * times.time_base),
        end=float(times.pts[frames[-1]] * times.time_base),
        length=span[1] - span[0],
        rate=None if rate is None else (rate.numerator, rate.denominator),
        points=CompactInts.pack(frame.point for frame in chosen) if has_grid else None,
        flags=tuple(name for name, is_set in flags.items() if is_set),
    )


def _choose(
    times: FrameTimes, inside: Sequence[int], stop: float, grid: Fraction | None
) -> tuple[list[GridFrame], Fraction | None]:
    """The frames of a clip and the rate of their grid: the wanted one, else that of the source if it is even.

    The grid ends before `stop` seconds. Without a wanted rate every frame stays.
    """
    pts = [int(times.pts[index]) for index in inside]
    if grid is not None:
        # a frame serves points up to the middle between it and the next
        length = stop - float(pts[0] * times.time_base)
        return choose_frames(pts, times.time_base, grid, length, times.interval / 2), grid
    placed = place_frames(pts, times.time_base, times.rate or Fraction(1))
    distinct = len({frame.point for frame in placed}) == len(placed)
    return placed, times.rate if distinct else None


def is_below_grid(times: FrameTimes, grid: Fraction | None) -> bool:
    """Whether a source has fewer frames per second than the grid has points."""
    if grid is None or not times.interval:
        return False
    return (times.rate if times.rate is not None else Fraction(1 / times.interval)) < grid


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
