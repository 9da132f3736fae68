"""Where the time goes: seconds per stage. Times never enter a version, whose bytes they would change."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds under names, of the wall clock or of another `clock`.

    Sections may be nested: a section does not count the time of those inside it.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        # for each open section the seconds that sections inside it took
        self._inner: list[float] = []
        self.seconds: dict[str, float] = defaultdict(float)

    def now(self) -> float:
        """Seconds on the clock; only differences have a meaning."""
        return self._clock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Measure a block."""
        begun = self._clock()
        self._inner.append(0.0)
        try:
            yield
        finally:
            elapsed = self._clock() - begun
            self.seconds[stage] += elapsed - self._inner.pop()
            if self._inner:
                self._inner[-1] += elapsed
