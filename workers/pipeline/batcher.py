"""The thread that owns the engines, and the queue of what jobs ask of them."""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from workers.engines.gpu_faults import (
    is_child_lost,
    is_device_lost,
    is_out_of_memory,
    release_memory,
    synchronize,
)
from workers.pipeline.stats import PipelineStats

# how often a job that waits for its call looks whether it has to stop
CHECK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """What an engine does with a batch: `run` takes items and returns one result per item, in order.

    Calls share a batch when they name the same operation object. `limit` is the most items per run, None for
    that of the batcher.
    """

    name: str
    run: Callable[[Sequence[Any]], Sequence[Any]]
    limit: int | None = None


@dataclass(slots=True, eq=False)
class _Call:
    operation: Operation
    item: Any
    # calls of one operation with equal keys are answered once
    key: Hashable | None
    queued_at: float = field(default_factory=time.monotonic)
    # whether a full batch of another operation was run before it
    is_passed: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: BaseException | None = None

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        self.result, self.error = result, error
        self.done.set()


class Batcher:
    """Runs operations in one thread, calls of several jobs in one batch; close it to end the thread."""

    def __init__(
        self, *, batch: int = 8, wait_seconds: float = 0.01, stats: PipelineStats | None = None
    ) -> None:
        """`batch` is the most calls per run, `wait_seconds` how long a batch that is not full stays open."""
        self._batch, self._wait_seconds = batch, wait_seconds
        self.stats = stats or PipelineStats()
        self.stats.counts_batches = True
        self._queue: list[_Call] = []
        self._jobs = 0
        # operations that ran out of memory, and the most items they get since
        self._limits: dict[Operation, int] = {}
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @contextmanager
    def job(self) -> Iterator[None]:
        """While a job runs: a batch is not kept open when every running job waits in it already."""
        with self._changed:
            self._jobs += 1
        try:
            yield
        finally:
            with self._changed:
                self._jobs -= 1
                self._changed.notify_all()

    def call(
        self, operation: Operation, item: Any, check: Callable[[], None], key: Hashable | None = None
    ) -> Any:
        """The operation's result for an item, from whichever batch it gets into.

        `check` raises when the job has to stop: a call that has not begun is then withdrawn, one that runs is
        waited for. Raises what the operation raised for this item alone.
        """
        call = _Call(operation, item, key)
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._queue.append(call)
            self._changed.notify_all()
        while not call.done.wait(CHECK_SECONDS):
            try:
                check()
            except Exception:
                if self._withdraw(call):
                    raise
        check()
        if call.error is not None:
            raise call.error
        return call.result

    def close(self) -> None:
        """End the thread once its batch has ended; calls that wait raise."""
        with self._changed:
            self._closed = True
            waiting, self._queue = self._queue, []
            self._changed.notify_all()
        for call in waiting:
            call.finish(error=RuntimeError("the batcher is closed"))
        self._thread.join()

    def _withdraw(self, call: _Call) -> bool:
        with self._changed:
            if call not in self._queue:
                return False
            self._queue.remove(call)
            self._changed.notify_all()
            return True

    def _run(self) -> None:
        while (calls := self._take()) is not None:
            taken = time.monotonic()
            self.stats.record_waits([taken - call.queued_at for call in calls])
            self._execute(calls)

    def _take(self) -> list[_Call] | None:
        """The calls of the next batch, when it closes; None at the end."""
        with self._changed:
            while True:
                if self._closed:
                    return None
                if not self._queue:
                    self._changed.wait()
                    continue
                calls, is_full = self._choose()
                left = calls[0].queued_at + self._wait_seconds - time.monotonic()
                if is_full or left <= 0 or len(self._queue) >= self._jobs:
                    self._queue = [call for call in self._queue if call not in calls]
                    return calls
                self._changed.wait(left)

    def _choose(self) -> tuple[list[_Call], bool]:
        """The calls of the next batch as the queue stands, and whether it is full.

        The oldest call's operation is next, unless another one fills its batch: then that is run first, and
        the older calls are joined by more meanwhile. A call is passed over once.
        """
        groups: dict[Operation, list[_Call]] = {}
        for call in self._queue:
            groups.setdefault(call.operation, []).append(call)
        oldest, *others = groups.values()
        chosen, limit = oldest, self._limit(oldest[0].operation)
        if len(oldest) < limit and not oldest[0].is_passed:
            for group in others:
                if len(group) >= (most := self._limit(group[0].operation)) > 1:
                    chosen, limit = group, most
                    for call in oldest:
                        call.is_passed = True
                    break
        return chosen[:limit], len(chosen) >= limit

    def _limit(self, operation: Operation) -> int:
        known = self._limits.get(operation, self._batch)
        return min(known, self._batch if operation.limit is None else operation.limit)

    def _execute(self, calls: Sequence[_Call]) -> None:
        """Run calls as one batch; one that fails is halved until the call that fails stands alone."""
        groups: dict[Hashable, list[_Call]] = {}
        for call in calls:
            groups.setdefault(call if call.key is None else call.key, []).append(call)
        results, error = self._run_operation(calls[0].operation, [group[0].item for group in groups.values()])
        if error is None:
            for group, result in zip(groups.values(), results, strict=True):
                for call in group:
                    call.finish(result)
            return
        # nothing succeeds on a lost device; its jobs are tried again, each alone
        if len(groups) == 1 or is_device_lost(error) or is_child_lost(error):
            for call in calls:
                call.finish(error=error)
            return
        self.stats.record_split()
        if is_out_of_memory(error):
            self._limits[calls[0].operation] = max(1, len(groups) // 2)
            # the frames of the traceback hold the batch's memory
            error = None
            release_memory()
        each = list(groups.values())
        middle = len(each) // 2
        for half in (each[:middle], each[middle:]):
            self._execute([call for group in half for call in group])

    def _run_operation(
        self, operation: Operation, items: list[Any]
    ) -> tuple[Sequence[Any], BaseException | None]:
        error: BaseException | None = None
        results: Sequence[Any] = ()
        with self.stats.batch(operation.name, len(items)):
            try:
                results = operation.run(items)
                # an error of a kernel is reported at a later call: it must not reach another batch
                synchronize()
                if len(results) != len(items):
                    raise RuntimeError(f"{operation.name}: {len(results)} results for {len(items)} items")
            # it is raised in the thread of its job
            except BaseException as raised:  # noqa: BLE001
                error = raised
        return results, error
