"""Where the time goes: seconds by stage. Times never reach a version, whose bytes they would change."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds under names: of the wall, or of another `clock`."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = defaultdict(float)

    def now(self) -> float:
        """Seconds of the clock; only differences mean anything."""
        return self._clock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Measure a block."""
        begun = self._clock()
        try:
            yield
        finally:
            self.seconds[stage] += self._clock() - begun
