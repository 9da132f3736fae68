"""How much of a dataset is processed: at most so many clips, and no new one after a limit is reached."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from workers.datasets.budget_limits import BudgetLimits
from workers.datasets.gates.exclusions import build_rejection
from workers.datasets.protocols import Workspace
from workers.datasets.schema import ClipRow, DecisionRow
from workers.datasets.stopwatch import Stopwatch

GATE = "budget"


class BudgetMeter:
    """What one process has spent since it was created: wall-clock seconds, and those of clips on a GPU.

    Clips that an interrupted run finished count with what they took then; its survey does not count.
    """

    def __init__(self, limits: BudgetLimits, stopwatch: Stopwatch, *, on_gpu: bool) -> None:
        self._limits, self._stopwatch, self._on_gpu = limits, stopwatch, on_gpu
        self._begun, self._earlier, self._gpu = stopwatch.now(), 0.0, 0.0

    def add_cached(self, seconds: float) -> None:
        """Count a clip of an earlier run."""
        self._earlier += seconds
        self.add(seconds)

    def add(self, seconds: float) -> None:
        """Count a clip of this run, whose time has passed already."""
        self._gpu += seconds if self._on_gpu else 0.0

    @property
    def reached(self) -> float | None:
        """The limit that forbids to begin another clip, None while there is none."""
        return self._limits.reached(self._stopwatch.now() - self._begun + self._earlier, self._gpu)


class StopPoint:
    """After how many clips a run stops because of its budget; a resumed run stops where the first one did.

    `key` is the cache key of that number.
    """

    def __init__(self, workspace: Workspace, meter: BudgetMeter, key: str, *, is_limited: bool) -> None:
        self._workspace, self._meter, self._key = workspace, meter, key
        self._clips: int | None = None
        self._limit: float | None = None
        cached = workspace.get_cached(key) if is_limited else None
        if cached is not None:
            clips, limit = cached.decode().split()
            self._clips, self._limit = int(clips), float(limit)

    def check(self, finished: int) -> float | None:
        """The limit because of which no clip is begun after `finished` ones, None to go on."""
        if self._clips is None and (limit := self._meter.reached) is not None:
            self._clips, self._limit = finished, limit
            self._workspace.put_cached(self._key, f"{finished} {limit!r}".encode())
        return self._limit if finished == self._clips else None


def choose_evenly(clips: Iterable[ClipRow], most: int) -> set[str]:
    """At most so many of the clips that passed, spread evenly; `clips` are read twice."""
    count = sum(row.kept for row in clips)
    most = min(most, count)
    places = {index * count // most for index in range(most)}
    passed = (row.clip for row in clips if row.kept)
    return {clip for place, clip in enumerate(passed) if place in places}


def exclude_unchosen(
    clips: Sequence[ClipRow], chosen: Collection[str], limit: float, policy: str
) -> tuple[Iterator[ClipRow], Iterator[DecisionRow]]:
    """The clips, of which only the chosen ones are kept, and a decision for each other one."""
    others = (row.clip for row in clips if row.kept and row.clip not in chosen)
    remaining = (replace(row, kept=row.kept and row.clip in chosen) for row in clips)
    return remaining, (build_rejection(clip, GATE, policy, limit=limit) for clip in others)
