"""Seconds of calls: on the wall, and of the CPU on all threads of this process.

On a machine that has other work to do, only CPU seconds can be compared.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds on the wall and of the CPU."""

    wall: float
    cpu: float

    def __truediv__(self, count: float) -> "Timing":
        return Timing(self.wall / count, self.cpu / count)


class Stopwatch:
    """Measures from when it is made; `lap` starts again."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> Timing:
        """What has passed since the start or the last lap."""
        wall, cpu = time.perf_counter(), time.process_time()
        timing = Timing(wall - self._wall, cpu - self._cpu)
        self._wall, self._cpu = wall, cpu
        return timing


def time_calls(call: Callable[[], object], rounds: int, *, warm_up: int = 1) -> list[Timing]:
    """Time a call `rounds` times, after `warm_up` calls that are not counted."""
    for _ in range(warm_up):
        call()
    timings = []
    for _ in range(rounds):
        watch = Stopwatch()
        call()
        timings.append(watch.lap())
    return timings


def time_in_turns(
    calls: Sequence[Callable[[], object]], rounds: int, *, warm_up: int = 1
) -> list[list[Timing]]:
    """Time several calls in turns, so that what else the machine does falls on all of them alike."""
    timings: list[list[Timing]] = [[] for _ in calls]
    for number in range(warm_up + rounds):
        for call, mine in zip(calls, timings, strict=True):
            watch = Stopwatch()
            call()
            if number >= warm_up:
                mine.append(watch.lap())
    return timings


def fastest(timings: Sequence[Timing]) -> Timing:
    """The least of each kind of seconds."""
    return Timing(min(timing.wall for timing in timings), min(timing.cpu for timing in timings))


def median(timings: Sequence[Timing]) -> Timing:
    """The median of each kind of seconds."""
    return Timing(
        statistics.median(timing.wall for timing in timings),
        statistics.median(timing.cpu for timing in timings),
    )
