"""Each job has its own peak of GPU memory, whoever else reads torch's one; what is unknown is absent."""

import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.fake_gpu_memory import GIB, FakeGpuMemory
from workers.engines.gpu_memory import MemoryMonitor


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> FakeGpuMemory:
    """The card of this process, with 3 GiB of weights on it."""
    card = FakeGpuMemory()
    card.allocate(3)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=card))
    return card


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


def to_gib(peaks: Mapping[str, int]) -> dict[str, float]:
    return {process: peak / GIB for process, peak in peaks.items()}


def read_report(monitor: MemoryMonitor) -> dict[str, tuple[float, ...]]:
    """GiB allocated, reserved and peak by process."""
    return {
        each["process"]: tuple(each[state] / GIB for state in ("allocated", "reserved", "peak"))
        for each in monitor.report()
    }


def measured(allocated: float, reserved: float, peak: float) -> dict[str, Any]:
    return {"allocated": int(allocated * GIB), "reserved": int(reserved * GIB), "peak": int(peak * GIB)}


def test_a_job_s_peak_is_what_was_allocated_while_it_ran(card: FakeGpuMemory) -> None:
    monitor = MemoryMonitor()
    card.compute(40)
    with monitor.job() as first:
        card.compute(5)
    with monitor.job() as second:
        card.compute(2)
    with monitor.job() as idle:
        pass
    card.compute(9)
    assert [to_gib(peaks) for peaks in (first, second, idle)] == [{"worker": 8}, {"worker": 5}, {"worker": 3}]


def test_jobs_and_reports_do_not_take_each_others_peaks(card: FakeGpuMemory) -> None:
    """torch has one peak, and reading it starts a new one."""
    monitor = MemoryMonitor()
    with monitor.job() as long:
        card.compute(7)
        assert read_report(monitor) == {"worker": (3, 10, 10)}
        with monitor.job() as short:
            card.compute(4)
            read_report(monitor)
            card.compute(1)
        with monitor.job() as nothing:
            pass
    assert [to_gib(peaks)["worker"] for peaks in (long, short, nothing)] == [10, 7, 3]
    # the highest since the last report, and none of before
    assert read_report(monitor) == {"worker": (3, 10, 4)}
    assert read_report(monitor) == {"worker": (3, 10, 3)}


def test_a_failed_job_has_its_peak(card: FakeGpuMemory) -> None:
    monitor = MemoryMonitor()
    with pytest.raises(MemoryError), monitor.job() as peaks:
        card.compute(60)
        raise MemoryError
    assert to_gib(peaks) == {"worker": 63}


def test_several_gpus_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    card = FakeGpuMemory(devices=2)
    card.allocate(3, device=1)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=card))
    monitor = MemoryMonitor()
    with monitor.job() as peaks:
        card.compute(2, device=1)
    assert to_gib(peaks) == {"worker": 5} and read_report(monitor)["worker"][:2] == (3, 5)


@pytest.mark.usefixtures("no_torch")
def test_a_child_s_answers_count_for_the_jobs_that_ran() -> None:
    monitor = MemoryMonitor()
    monitor.record_child("sam3d_body", measured(5, 6, 20))
    with monitor.job() as first:
        monitor.record_child("sam3d_body", measured(5, 6, 9))
        monitor.record_child("sam3d_body", measured(5, 6, 7))
        with monitor.job() as without:
            pass
    assert to_gib(first) == {"sam3d_body": 9} and without == {}
    assert read_report(monitor) == {"sam3d_body": (5, 6, 20)}
    # no call since: what is known of the last
    assert read_report(monitor) == {"sam3d_body": (5, 6, 7)}
    monitor.forget_child("sam3d_body")
    assert monitor.report() == []


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(
    "unknown", [None, {}, 7, {"allocated": 1, "reserved": 2}, {**measured(1, 1, 1), "peak": None}]
)
def test_what_is_unknown_is_absent(unknown: object) -> None:
    monitor = MemoryMonitor()
    monitor.record_child("sam3d_objects", measured(1, 1, 1))
    with monitor.job() as peaks:
        monitor.record_child("sam3d_objects", unknown)
    assert peaks == {} and monitor.report() == []


def test_a_card_that_cannot_be_read_is_unknown(card: FakeGpuMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring must not hide the error with which the job ended."""

    def lose(_: int) -> int:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monitor = MemoryMonitor()
    with pytest.raises(ValueError, match="the job's own"), monitor.job() as peaks:
        monkeypatch.setattr(card, "memory_allocated", lose)
        raise ValueError("the job's own")
    assert peaks == {} and monitor.report() == []
