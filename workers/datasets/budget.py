"""How much of a dataset is worked on: at most so many clips, and no new one after a limit is reached."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from workers.datasets.budget_limits import BudgetLimits
from workers.datasets.schema import ClipRow, DecisionRow
from workers.datasets.stopwatch import Stopwatch

GATE = "budget"


class BudgetMeter:
    """What one process has spent since it was made: seconds of the wall, and clips on a GPU among them.

    Clips that an interrupted run had finished count with what they took then, its survey does not.
    """

    def __init__(self, limits: BudgetLimits, clock: Stopwatch, *, on_gpu: bool) -> None:
        self._limits, self._clock, self._on_gpu = limits, clock, on_gpu
        self._begun, self._earlier, self._gpu = clock.now(), 0.0, 0.0

    def add_cached(self, seconds: float) -> None:
        """Count a clip of an earlier run."""
        self._earlier += seconds
        self.add(seconds)

    def add(self, seconds: float) -> None:
        """Count a clip of this run, whose time has passed already."""
        self._gpu += seconds if self._on_gpu else 0.0

    @property
    def reached(self) -> float | None:
        """The limit because of which no new clip may be begun."""
        return self._limits.reached(self._clock.now() - self._begun + self._earlier, self._gpu)


def choose_evenly(clips: Sequence[ClipRow], most: int | None) -> set[str]:
    """At most so many of the clips that passed, evenly spread."""
    passed = [row.clip for row in clips if row.kept]
    if most is None or len(passed) <= most:
        return set(passed)
    return {passed[index * len(passed) // most] for index in range(most)}


def exclude_clips(
    clips: Sequence[ClipRow], chosen: Collection[str], most: float, policy: str
) -> tuple[list[ClipRow], list[DecisionRow]]:
    """The clips with only the chosen ones kept, and decisions that say which the budget left out."""
    rest = [row.clip for row in clips if row.kept and row.clip not in chosen]
    out = [replace(row, kept=row.kept and row.clip in chosen) for row in clips]
    return out, [
        DecisionRow(
            clip=name,
            track=None,
            gate=GATE,
            score=None,
            low=None,
            high=most,
            passed=False,
            policy=policy,
            reason=None,
        )
        for name in rest
    ]
