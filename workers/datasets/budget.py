"""How much of a dataset is worked on: at most so many clips, at most so many seconds."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from workers.datasets.schema import ClipRow, DecisionRow
from workers.datasets.stopwatch import Stopwatch

GATE = "budget"


class Seconds:
    """Seconds of the wall since it was made, the engine's among them; `most` None never ends.

    Clips that an interrupted run had finished count with what they took then, its survey does not.
    """

    def __init__(self, most: float | None, clock: Stopwatch) -> None:
        self._most, self._clock = most, clock
        self._begun, self._earlier = clock.now(), 0.0

    def add(self, seconds: float) -> None:
        """Count work of an earlier run."""
        self._earlier += seconds

    @property
    def spent(self) -> bool:
        """Whether no new clip may be begun."""
        return self._most is not None and self._clock.now() - self._begun + self._earlier >= self._most


def spread(clips: Sequence[ClipRow], most: int | None) -> set[str]:
    """At most so many of the clips that passed, evenly spread."""
    passed = [row.clip for row in clips if row.kept]
    if most is None or len(passed) <= most:
        return set(passed)
    return {passed[index * len(passed) // most] for index in range(most)}


def left_out(
    clips: Sequence[ClipRow], chosen: Collection[str], most: float, policy: str
) -> tuple[list[ClipRow], list[DecisionRow]]:
    """The clips with only the chosen ones kept, and decisions that say which the budget left out."""
    rest = [row.clip for row in clips if row.kept and row.clip not in chosen]
    out = [replace(row, kept=row.kept and row.clip in chosen) for row in clips]
    return out, [DecisionRow(name, None, GATE, None, None, most, False, policy) for name in rest]
