"""The times of a source's frames: repaired where they cannot be right, and what is irregular about them.

A decoder hands on times that increase whatever the file says: a frame that goes backwards comes one tick
after the one before. Such steps are far shorter than any frame lasts, and give it away.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from workers.datasets.frame_rates import parse_stated_rate, recognise_rate
from workers.datasets.shots.survey import Survey

Steps = NDArray[np.int64]
# share of the usual interval below which no camera is so much faster for one frame; chosen, not measured
SHORTEST_STEP = 0.02
# ticks of a usual interval from which a step of one tick is a nudge of the decoder and not a clock so coarse
FINE_CLOCK = 4
# share of impossible steps up to which frames are placed between their neighbours, and above which no time of
# the file is trusted; chosen, not measured
MOST_PLACED = 0.01
# a gap of so many seconds, and of so many usual intervals, is a jump of the clock; chosen, not measured
JUMP_SECONDS, JUMP_INTERVALS = 1.0, 10.0
# share of an interval by which steps of one rate may differ (beside one tick), and share of steps that may
# differ by more, as after a lost frame; chosen, not measured
EVEN, MOST_UNEVEN = 0.25, 0.02


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FrameTimes:
    """When the N frames of a source are shown.

    `pts` are ticks of `time_base` seconds, (N,); `rate` is the exact rate of even frames, None for uneven
    ones, and `interval` the usual seconds from a frame to the next. `broken` marks the frames (N,) whose
    times cannot be right and could not be repaired, `jumps` are the frames before which the clock jumps.
    `flags`: times_repaired, times_broken, variable_frame_rate, clock_jump.
    """

    pts: Steps
    time_base: Fraction
    rate: Fraction | None
    interval: float
    broken: NDArray[np.bool_]
    jumps: tuple[int, ...]
    flags: tuple[str, ...]

    def seconds(self) -> NDArray[np.float64]:
        """The time of each frame (N,)."""
        return np.asarray(self.pts * float(self.time_base.numerator) / float(self.time_base.denominator))

    @property
    def length(self) -> float:
        """Seconds from the first frame to the end of the last, without jumps of the clock."""
        steps = np.diff(self.seconds())
        steps[np.array(self.jumps, np.int64) - 1] = self.interval
        return float(steps.sum()) + self.interval if len(self.pts) else 0.0


def find_broken_steps(steps: Steps, usual: float) -> NDArray[np.bool_]:
    """Which steps between frames, in ticks, are none that a camera makes; `usual` is that of most."""
    shortest = max(SHORTEST_STEP * usual, 1.0 if usual >= FINE_CLOCK else 0.0)
    return np.asarray(steps <= shortest)


def read_times(survey: Survey, stated_rate: float | None) -> FrameTimes:
    """The times of a surveyed source; `stated_rate` is what its container says, in frames per second."""
    base = Fraction(int(survey.time_base[0]), int(survey.time_base[1]))
    stated = parse_stated_rate(stated_rate)
    pts, broken = _repair(survey.pts, base, stated)
    steps = np.diff(pts)
    interval, tolerance = _measure_interval(steps)
    seconds, usual = float(interval * base), float(interval)
    gaps = steps * float(base) > max(JUMP_SECONDS, JUMP_INTERVALS * seconds)
    uneven = np.abs(steps - usual) > EVEN * usual + 1
    is_uneven = bool(len(steps)) and float(np.mean(uneven & ~gaps)) > MOST_UNEVEN
    is_even = len(steps) > 0 and not is_uneven and not broken.any()
    flags = {
        "times_repaired": not np.array_equal(pts, survey.pts),
        "times_broken": bool(broken.any()),
        "variable_frame_rate": is_uneven,
        "clock_jump": bool(gaps.any()),
    }
    return FrameTimes(
        pts=pts,
        time_base=base,
        rate=recognise_rate(1 / seconds, tolerance, stated) if is_even else None,
        interval=seconds,
        broken=broken,
        jumps=tuple(int(index) + 1 for index in np.flatnonzero(gaps)),
        flags=tuple(name for name, is_set in flags.items() if is_set),
    )


def _repair(pts: Steps, base: Fraction, stated: Fraction | None) -> tuple[Steps, NDArray[np.bool_]]:
    """Times that increase as a camera's do, and the frames whose times are still wrong.

    A few frames are placed between their neighbours. Where many are wrong the file's times mean nothing, and
    frames follow the rate of the stream; without one they stay as they are.
    """
    right = np.zeros(len(pts), bool)
    if len(pts) < 2:
        return pts, right
    usual = float(1 / (stated * base)) if stated else float(pts[-1] - pts[0]) / (len(pts) - 1)
    broken = np.concatenate([[False], find_broken_steps(np.diff(pts), usual)])
    if not broken.any():
        return pts, right
    if broken.mean() <= MOST_PLACED and not broken[-1]:
        placed = (
            np.interp(np.arange(len(pts)), np.flatnonzero(~broken), pts[~broken]).round().astype(np.int64)
        )
        if not find_broken_steps(np.diff(placed), usual).any():
            return placed, right
    if stated is None or stated * base > 1:
        return pts, broken
    ticks = 1 / (stated * base)
    return np.array([int(pts[0]) + round(index * ticks) for index in range(len(pts))], np.int64), right


def _measure_interval(steps: Steps) -> tuple[Fraction, float]:
    """The usual step in ticks, and the share by which the clock's resolution may have changed it."""
    if not len(steps):
        return Fraction(0), 0.0
    median = float(np.median(steps))
    usual = steps[np.abs(steps - median) <= max(0.5 * median, 1.0)]
    mean = Fraction(int(usual.sum()), len(usual))
    # the two ends of a run are each rounded to a tick
    return max(mean, Fraction(1)), max(2e-4, 1.0 / max(1.0, float(usual.sum())))
