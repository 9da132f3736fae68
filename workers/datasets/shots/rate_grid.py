"""Frames chosen by their times for the points of an exact grid: first frame + k / rate.

A point takes the nearest frame and a frame serves one point, so no frame is shown twice. Points that no frame
of their own is near to stay empty, and the clip is then not complete on its grid. Whole numbers are compared,
so that no rounding decides.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

# share of a step before the end: a clock of milliseconds makes no clip one frame longer than the next
END_SLACK = 0.01


@dataclass(frozen=True, slots=True)
class GridFrame:
    """A chosen frame: its place in the sequence, its point on the grid, and the seconds that it is late."""

    index: int
    point: int
    error: float


def choose_frames(
    pts: Sequence[int], time_base: Fraction, rate: Fraction, length: float, reach: float
) -> list[GridFrame]:
    """The nearest frame for each point of the grid, in order.

    `pts` are increasing ticks of `time_base` seconds; the first frame is point 0. The grid ends before
    `length` seconds, and `reach` seconds (half of an interval between frames) after the last frame.
    """
    ticks, spacing = _scale(pts, time_base, rate)
    reached = (float((pts[-1] - pts[0]) * time_base) + reach) * float(rate)
    points = min(length * float(rate) - END_SLACK, reached)
    best: dict[int, tuple[int, int]] = {}
    point = 0
    while point == 0 or point < points:
        goal = point * spacing
        right = bisect_left(ticks, goal)
        near = [index for index in (right - 1, right) if 0 <= index < len(ticks)]
        distance, index = min((abs(ticks[index] - goal), index) for index in near)
        if index not in best or distance < best[index][0]:
            best[index] = distance, point
        point += 1
    chosen = sorted((index, point) for index, (_, point) in best.items())
    return [_build_frame(index, point, ticks, spacing, rate) for index, point in chosen]


def place_frames(pts: Sequence[int], time_base: Fraction, rate: Fraction) -> list[GridFrame]:
    """Every frame with the point that is nearest to it."""
    ticks, spacing = _scale(pts, time_base, rate)
    return [
        _build_frame(index, (2 * tick + spacing) // (2 * spacing), ticks, spacing, rate)
        for index, tick in enumerate(ticks)
    ]


def measure_errors(
    pts: Sequence[int], points: Sequence[int], time_base: Fraction, rate: Fraction
) -> list[float]:
    """The seconds that each frame is later than its point; the first frame of a clip is on its point."""
    ticks, spacing = _scale(pts, time_base, rate)
    return [_measure_error(tick, point, spacing, rate) for tick, point in zip(ticks, points, strict=True)]


def is_complete(frames: Sequence[GridFrame]) -> bool:
    """Whether every point from the first to the last has a frame of its own."""
    return [frame.point for frame in frames] == list(range(len(frames)))


def _scale(pts: Sequence[int], time_base: Fraction, rate: Fraction) -> tuple[list[int], int]:
    """Times from the first frame on, and the spacing of the grid, in whole units of both."""
    factor = time_base.numerator * rate.numerator
    return [(tick - pts[0]) * factor for tick in pts], time_base.denominator * rate.denominator


def _build_frame(index: int, point: int, ticks: Sequence[int], spacing: int, rate: Fraction) -> GridFrame:
    return GridFrame(index, point, _measure_error(ticks[index], point, spacing, rate))


def _measure_error(tick: int, point: int, spacing: int, rate: Fraction) -> float:
    return (tick - point * spacing) * rate.denominator / (spacing * rate.numerator)
