"""The images of jobs that work at the same time fit into memory together."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.pipeline import Admission


def never() -> None:
    return


def test_bytes_of_working_jobs_stay_in_the_budget() -> None:
    admission, lock = Admission(100), threading.Lock()
    held, most = 0, 0

    def work(need: int) -> None:
        nonlocal held, most
        with admission.admit(need, never):
            with lock:
                held += need
                most = max(most, held)
            threading.Event().wait(0.005)
            with lock:
                held -= need

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, [40, 30, 50, 60, 20, 10, 90, 40]))
    assert 60 <= most <= 100 and held == 0


def test_what_never_fits_works_when_it_is_alone() -> None:
    admission, small_is_done = Admission(100), threading.Event()
    order: list[str] = []

    def work_on_large() -> None:
        with admission.admit(1000, never):
            order.append("large")

    with ThreadPoolExecutor(1) as threads:
        with admission.admit(10, never):
            large = threads.submit(work_on_large)
            small_is_done.wait(0.02)
            order.append("small")
        large.result(5)
    assert order == ["small", "large"]


def test_small_jobs_do_not_overtake_a_large_one_for_ever() -> None:
    admission, order = Admission(100), []
    done = threading.Event()

    def work(name: str, need: int) -> None:
        with admission.admit(need, never):
            order.append(name)

    with ThreadPoolExecutor(2) as threads:
        with admission.admit(10, never):
            large = threads.submit(work, "large", 1000)
            while not admission._waiting:
                done.wait(0.005)
            small = threads.submit(work, "small", 10)
            done.wait(0.1)
            assert order == []
        large.result(5)
        small.result(5)
    assert order == ["large", "small"]


def test_nobody_joins_a_job_that_works_alone() -> None:
    admission, order, waited = Admission(100), [], threading.Event()

    def work() -> None:
        with admission.admit(1, never):
            order.append("other")

    with ThreadPoolExecutor(1) as threads:
        with admission.admit(1, never, alone=True):
            other = threads.submit(work)
            waited.wait(0.1)
            order.append("alone")
        other.result(5)
    assert order == ["alone", "other"]


def test_a_job_that_waits_can_be_stopped() -> None:
    admission = Admission(100)

    def stop() -> None:
        raise InterruptedError

    with admission.admit(100, never), pytest.raises(InterruptedError), admission.admit(1, stop):
        pass
    with admission.admit(1, never, alone=True):
        pass
