"""The GPU memory of this process and its engines' children: now, since the last report, and while jobs run.

Each process has torch's counters of its own. The children measure themselves and send it with every answer
(`workers.engines.host`).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workers.engines.gpu_faults import measure_memory

STATES = ("allocated", "reserved", "peak")
# how this process is called beside its children, which have the names of their hosts
WORKER = "worker"


class MemoryMonitor:
    """Shares torch's one peak per process between the reports and all running jobs; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[str, dict[str, int]] = {}
        self._since_report: dict[str, int] = {}
        self._jobs: dict[int, dict[str, int]] = {}

    def record_child(self, name: str, measured: object) -> None:
        """What a child sent with an answer: bytes by state; anything else means that it does not know."""
        known = _read(measured)
        with self._lock:
            if known is None:
                self._children.pop(name, None)
                return
            self._children[name] = known
            self._raise_peaks(name, known["peak"])

    def forget_child(self, name: str) -> None:
        """A child has ended, and holds nothing any longer."""
        with self._lock:
            self._children.pop(name, None)

    @contextmanager
    def job(self) -> Iterator[dict[str, int]]:
        """While a job runs; afterwards the dictionary has the peaks in bytes, by process.

        The peak of this process is the most that was allocated meanwhile, by whichever job; that of a child
        is the most of the calls that it answered meanwhile. A process that does not know its own is absent.
        """
        peaks: dict[str, int] = {}
        with self._lock:
            # what was before belongs to the others
            self._measure_own()
            self._jobs[id(peaks)] = peaks
        try:
            yield peaks
        finally:
            with self._lock:
                self._measure_own()
                del self._jobs[id(peaks)]

    def report(self) -> list[dict[str, Any]]:
        """Bytes `allocated`, `reserved` and `peak` of each `process` that knows its own.

        `peak` is since the last report. A child's numbers are those of its last answer, and its peak is the
        highest of the calls answered since the last report, or that of the last call.
        """
        with self._lock:
            own = self._measure_own()
            known = {**({} if own is None else {WORKER: own}), **self._children}
            peaks, self._since_report = self._since_report, {}
            return [
                {"process": name, **measured, "peak": peaks.get(name, measured["peak"])}
                for name, measured in known.items()
            ]

    def _measure_own(self) -> dict[str, int] | None:
        """Measuring starts a new peak, so the old one is recorded for whoever waits for it."""
        own = measure_memory()
        if own is not None:
            self._raise_peaks(WORKER, own["peak"])
        return own

    def _raise_peaks(self, name: str, peak: int) -> None:
        for peaks in (self._since_report, *self._jobs.values()):
            peaks[name] = max(peak, peaks.get(name, 0))


def _read(measured: object) -> dict[str, int] | None:
    if not isinstance(measured, dict):
        return None
    values = [(state, measured.get(state)) for state in STATES]
    known = {state: value for state, value in values if isinstance(value, int) and value >= 0}
    return known if len(known) == len(STATES) else None


# torch counts once for the whole process
MONITOR = MemoryMonitor()
