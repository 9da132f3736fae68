"""Calls of several jobs are computed together, and none of them suffers from another."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from workers.pipeline.batcher import Batcher, Operation


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class Gate:
    """An operation that doubles numbers, once it is let through; negative numbers are refused."""

    def __init__(self, error: type[Exception] = ValueError, most: int = 99) -> None:
        self.open, self.began = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.error, self.most = error, most
        self.operation = Operation("double", self._run)

    def _run(self, items: Sequence[int]) -> list[int]:
        self.began.set()
        assert self.open.wait(10)
        self.batches.append(list(items))
        if any(item < 0 for item in items) or len(items) > self.most:
            raise self.error(f"cannot double {items}")
        return [2 * item for item in items]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def start_batch(
    threads: ThreadPoolExecutor,
    batcher: Batcher,
    gate: Gate,
    items: Sequence[int],
    check: Callable[[], None] = lambda: None,
    keys: Sequence[str | None] = (),
) -> list[Future[Any]]:
    """Calls that meet in one batch, because the engine is busy with a zero until all of them wait."""
    first = threads.submit(batcher.call, gate.operation, 0, lambda: None)
    assert gate.began.wait(10)
    calls = [
        threads.submit(batcher.call, gate.operation, item, check, key)
        for item, key in zip(items, keys or [None] * len(items), strict=True)
    ]
    wait_for(lambda: len(batcher._queue) == len(items))
    gate.open.set()
    assert first.result(10) == 0
    return calls


def wait_for(condition: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(2000):
        if condition():
            return
        waited.wait(0.005)
    raise AssertionError("this has not happened within 10 s")


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    with ExitStack() as stack:
        made = Batcher(batch=8, wait_seconds=0)
        stack.callback(made.close)
        yield made


def test_calls_that_wait_share_a_batch(threads: ThreadPoolExecutor, batcher: Batcher) -> None:
    gate = Gate()
    calls = start_batch(threads, batcher, gate, range(1, 11))
    assert [call.result(10) for call in calls] == [2 * n for n in range(1, 11)]
    assert [len(batch) for batch in gate.batches] == [1, 8, 2]


@pytest.mark.parametrize("bad", [0, 3, 6])
def test_a_bad_call_costs_no_other(threads: ThreadPoolExecutor, batcher: Batcher, bad: int) -> None:
    gate = Gate()
    items = [-1 if n == bad else n + 1 for n in range(7)]
    calls = start_batch(threads, batcher, gate, items)
    for item, call in zip(items, calls, strict=True):
        if item < 0:
            with pytest.raises(ValueError, match=r"cannot double \[-1\]"):
                call.result(10)
        else:
            assert call.result(10) == 2 * item


def test_a_batch_that_needs_too_much_memory_is_halved_from_then_on(
    threads: ThreadPoolExecutor, batcher: Batcher
) -> None:
    gate = Gate(OutOfMemoryError, most=4)
    calls = start_batch(threads, batcher, gate, range(1, 16))
    assert [call.result(10) for call in calls] == [2 * n for n in range(1, 16)]
    assert [len(batch) for batch in gate.batches] == [1, 8, 4, 4, 4, 3]


def test_a_lost_gpu_is_not_asked_again(threads: ThreadPoolExecutor, batcher: Batcher) -> None:
    class AcceleratorError(RuntimeError):
        """Named as torch's."""

    gate = Gate(AcceleratorError)
    calls = start_batch(threads, batcher, gate, [1, -1, 2])
    for call in calls:
        with pytest.raises(AcceleratorError):
            call.result(10)
    assert len(gate.batches) == 2


def test_what_a_kernel_reports_late_is_its_own_batchs_error(
    threads: ThreadPoolExecutor, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU answers before it has computed: its error comes at the next call, which may be another job's."""
    gate = Gate()
    gate.open.set()
    errors = [RuntimeError("CUDA error: an illegal memory access was encountered")]

    def raise_late() -> None:
        if gate.batches[-1] == [1] and errors:
            raise errors.pop()

    monkeypatch.setattr("workers.pipeline.batcher.synchronize", raise_late)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        threads.submit(batcher.call, gate.operation, 1, lambda: None).result(10)
    assert threads.submit(batcher.call, gate.operation, 2, lambda: None).result(10) == 4


def test_equal_keys_are_computed_once(threads: ThreadPoolExecutor, batcher: Batcher) -> None:
    gate = Gate()
    calls = start_batch(threads, batcher, gate, [5, 5, 6], keys=["a", "a", "b"])
    assert [call.result(10) for call in calls] == [10, 10, 12]
    assert gate.batches == [[0], [5, 6]]


def test_a_job_that_stops_withdraws_its_call_and_no_other(
    threads: ThreadPoolExecutor, batcher: Batcher
) -> None:
    gate, stops = Gate(), threading.Event()

    def check() -> None:
        if stops.is_set():
            raise InterruptedError("stopped")

    threads.submit(batcher.call, gate.operation, 0, lambda: None)
    assert gate.began.wait(10)
    stopped = threads.submit(batcher.call, gate.operation, 1, check)
    other = threads.submit(batcher.call, gate.operation, 2, lambda: None)
    wait_for(lambda: len(batcher._queue) == 2)
    stops.set()
    with pytest.raises(InterruptedError):
        stopped.result(10)
    gate.open.set()
    assert other.result(10) == 4 and gate.batches[1:] == [[2]]


def test_a_job_that_is_alone_waits_for_nobody(threads: ThreadPoolExecutor) -> None:
    patient = Batcher(batch=8, wait_seconds=60)
    gate = Gate()
    gate.open.set()
    with patient.job():
        assert threads.submit(patient.call, gate.operation, 3, lambda: None).result(10) == 6
        with patient.job():
            waiting = threads.submit(patient.call, gate.operation, 4, lambda: None)
            assert not waiting.done()
        # the other job has ended: nobody else can join
        assert waiting.result(10) == 8
    patient.close()


def test_a_batch_closes_when_it_is_full_or_its_time_is_up(threads: ThreadPoolExecutor) -> None:
    """Three jobs run, so that a batch of one or two waits for the others."""
    gate = Gate()
    gate.open.set()
    for most, seconds, items in ((2, 60, [1, 2]), (8, 0.05, [3])):
        batcher = Batcher(batch=most, wait_seconds=seconds)
        with batcher.job(), batcher.job(), batcher.job():
            calls = []
            for item in items:
                assert not any(call.done() for call in calls)
                calls.append(threads.submit(batcher.call, gate.operation, item, lambda: None))
            assert [call.result(10) for call in calls] == [2 * item for item in items]
        batcher.close()
    assert gate.batches in ([[1, 2], [3]], [[2, 1], [3]])


def test_operations_do_not_mix(threads: ThreadPoolExecutor, batcher: Batcher) -> None:
    gate = Gate()
    negate = Operation("negate", lambda items: [-item for item in items], limit=1)
    first = threads.submit(batcher.call, gate.operation, 0, lambda: None)
    assert gate.began.wait(10)
    calls = [
        threads.submit(batcher.call, operation, 7, lambda: None)
        for operation in (gate.operation, negate, gate.operation)
    ]
    wait_for(lambda: len(batcher._queue) == 3)
    gate.open.set()
    assert [call.result(10) for call in calls] == [14, -7, 14] and first.result(10) == 0
    assert gate.batches == [[0], [7, 7]]
    described = batcher.stats.describe()
    assert described["batch_size"]["double"]["count"] == 2
    assert described["batch_size"]["double"]["sum"] == 3
    assert described["queue_wait_seconds"]["count"] == 4


def test_what_waits_when_it_closes_raises(threads: ThreadPoolExecutor) -> None:
    batcher, gate = Batcher(batch=1, wait_seconds=0), Gate()
    threads.submit(batcher.call, gate.operation, 0, lambda: None)
    assert gate.began.wait(10)
    waiting = threads.submit(batcher.call, gate.operation, 1, lambda: None)
    wait_for(lambda: len(batcher._queue) == 1)
    closing = threads.submit(batcher.close)
    with pytest.raises(RuntimeError, match="closed"):
        waiting.result(10)
    gate.open.set()
    closing.result(10)


def test_a_full_batch_goes_before_an_older_one_that_is_not_full_but_only_once(
    threads: ThreadPoolExecutor,
) -> None:
    gate, order = Gate(), []

    def record(name: str) -> Operation:
        return Operation(name, lambda items: order.append((name, len(items))) or list(items))

    embed, ground = record("embed"), record("ground")
    batcher = Batcher(batch=4, wait_seconds=0.0)
    first = threads.submit(batcher.call, gate.operation, 0, lambda: None)
    assert gate.began.wait(10)
    calls = []
    for number, operation in enumerate([embed, *[ground] * 8, embed]):
        calls.append(threads.submit(batcher.call, operation, number, lambda: None))
        wait_for(lambda number=number: len(batcher._queue) == number + 1)
    gate.open.set()
    assert [call.result(10) for call in calls] == list(range(10)) and first.result(10) == 0
    assert order == [("ground", 4), ("embed", 2), ("ground", 4)]
    batcher.close()
