"""The ledger's time and randomness behind one small interface, so that tests can replay a history."""

import secrets
import time
from typing import Protocol


class TimeSource(Protocol):
    """Clocks and random tokens."""

    def now_ns(self) -> int:
        """Wall time in nanoseconds since the epoch; it may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back and do not follow jumps of the wall clock."""
        ...

    def token(self, bytes_: int) -> str:
        """Random hex of so many bytes."""
        ...


class SystemTime:
    """The machine's clocks and its source of randomness."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    def token(self, bytes_: int) -> str:
        return secrets.token_hex(bytes_)
