"""Which jobs of a process may work at the same time: those that fit into memory together, or one alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# how often a job that waits to be admitted looks whether it has to stop
CHECK_SECONDS = 0.05


class Admission:
    """Admits jobs in their order while their bytes fit into a budget.

    A job that never fits is admitted when nobody works; those behind it wait, so that it gets its turn.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._working = 0
        self._is_closed = False
        self._waiting: list[object] = []
        self._changed = threading.Condition()

    @contextmanager
    def admit(self, need: int, check: Callable[[], None], *, alone: bool = False) -> Iterator[None]:
        """Wait for room of `need` bytes, or until nobody works; `check` may raise while it waits."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while self._waiting[0] is not ticket or not self._has_room(need, alone=alone):
                    self._changed.wait(CHECK_SECONDS)
                    check()
                self._working += 1
                self._bytes += need
                self._is_closed = alone
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._bytes -= need
                self._is_closed = False
                self._changed.notify_all()

    def _has_room(self, need: int, *, alone: bool) -> bool:
        if self._working == 0:
            return True
        return not alone and not self._is_closed and self._bytes + need <= self._max_bytes
