"""What a worker process measures about itself: counters that only grow, and its GPU's memory."""

import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from workers.engines.gpu_memory import MONITOR

# upper bounds; a value above the last counts in none but the total
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# GPUs have between 8 and 192 GiB; half-filled ones have buckets of their own
GIBIBYTES = (0.5, 1, 2, 4, 6, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 192)


class Distribution:
    """How many values lay at or below each bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def describe(self) -> dict[str, Any]:
        """`buckets` as pairs of upper bound and cumulative count, `count` and `sum`, for JSON."""
        total, buckets = 0, []
        for bound, count in zip(self._bounds, self._counts, strict=False):
            total += count
            buckets.append([bound, total])
        return {"buckets": buckets, "count": sum(self._counts), "sum": self._sum}


class PipelineStats:
    """Batches, waits and stages of one process; threads may share it."""

    def __init__(self) -> None:
        # whether a batcher reports to it; without one nobody knows when the engine is busy
        self.counts_batches = False
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._last_report = self._started, 0.0
        self._busy_seconds = 0.0
        self._busy_since: float | None = None
        self._splits = 0
        self._waits = Distribution(SECONDS)
        self._sizes: dict[str, Distribution] = defaultdict(lambda: Distribution(BATCH_SIZES))
        self._batches: dict[str, Distribution] = defaultdict(lambda: Distribution(SECONDS))
        self._stages: dict[tuple[str, str], Distribution] = defaultdict(lambda: Distribution(SECONDS))
        self._peaks: dict[tuple[str, str], Distribution] = defaultdict(
            lambda: Distribution([gib * 2**30 for gib in GIBIBYTES])
        )

    @contextmanager
    def batch(self, operation: str, size: int) -> Iterator[None]:
        """While the engine computes a batch of `size` items."""
        start = time.monotonic()
        with self._lock:
            self._busy_since = start
        try:
            yield
        finally:
            with self._lock:
                seconds = time.monotonic() - start
                self._busy_seconds += seconds
                self._busy_since = None
                self._sizes[operation].add(size)
                self._batches[operation].add(seconds)

    def record_waits(self, seconds: Sequence[float]) -> None:
        """How long calls were in the queue before their batch began."""
        with self._lock:
            for each in seconds:
                self._waits.add(each)

    def record_split(self) -> None:
        """A batch failed and was halved."""
        with self._lock:
            self._splits += 1

    def record_stage(self, kind: str, stage: str, seconds: float) -> None:
        """A job of a kind has spent so long in a stage, as its progress names it."""
        with self._lock:
            self._stages[kind, stage].add(seconds)

    @contextmanager
    def watch_memory(self, kind: str) -> Iterator[None]:
        """While a job of a kind runs; its peaks of GPU memory count when it ends, also by an error."""
        peaks: dict[str, int] = {}
        try:
            with MONITOR.job() as peaks:
                yield
        finally:
            with self._lock:
                for process, peak in peaks.items():
                    self._peaks[kind, process].add(peak)

    @property
    def busy_seconds(self) -> float:
        """For how long the engine has computed."""
        with self._lock:
            return self._read_busy_seconds()

    def describe(self) -> dict[str, Any]:
        """Everything as JSON, for the ledger.

        `busy_ratio` is the share of the time since the last call in which batches ran, None without batches;
        `gpu_memory_bytes` and `job_gpu_memory_peak_bytes` are empty where no torch holds a GPU.
        """
        with self._lock:
            now, busy = time.monotonic(), self._read_busy_seconds()
            (then, busy_then), self._last_report = self._last_report, (now, busy)
            return {
                "seconds": now - self._started,
                "busy_seconds": busy,
                "busy_ratio": (busy - busy_then) / max(now - then, 1e-9) if self.counts_batches else None,
                "splits": self._splits,
                "queue_wait_seconds": self._waits.describe(),
                "batch_size": {name: sizes.describe() for name, sizes in self._sizes.items()},
                "batch_seconds": {name: seconds.describe() for name, seconds in self._batches.items()},
                "stage_seconds": [
                    {"kind": kind, "stage": stage, **seconds.describe()}
                    for (kind, stage), seconds in self._stages.items()
                ],
                "gpu_memory_bytes": MONITOR.report(),
                "job_gpu_memory_peak_bytes": [
                    {"kind": kind, "process": process, **peaks.describe()}
                    for (kind, process), peaks in self._peaks.items()
                ],
            }

    def _read_busy_seconds(self) -> float:
        running = 0.0 if self._busy_since is None else time.monotonic() - self._busy_since
        return self._busy_seconds + running


class StageClock:
    """The stages of one job, by its progress; what comes before the first report is called `load`."""

    def __init__(self, stats: PipelineStats, kind: str) -> None:
        self._stats, self._kind = stats, kind
        self._stage, self._since = "load", time.monotonic()

    def enter(self, stage: str) -> None:
        """The job reports a stage; the time since the last change counts for the stage before."""
        if stage == self._stage:
            return
        now = time.monotonic()
        self._stats.record_stage(self._kind, self._stage, now - self._since)
        self._stage, self._since = stage, now

    def end(self) -> None:
        """The job has ended."""
        self._stats.record_stage(self._kind, self._stage, time.monotonic() - self._since)
