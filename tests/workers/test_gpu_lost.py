"""A job whose GPU is lost is tried again by another process; one without enough memory says so."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import workers.main
from media.sandbox import Sandbox
from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, jobs
from tests.support.fake_gpu_memory import GIB, FakeGpuMemory
from workers import attempts, runner, worker_process
from workers.engines.gpu_faults import DeviceLost
from workers.engines.host.errors import HostRefused
from workers.engines.registry import EngineSet, EngineUnavailable
from workers.settings import WorkerSettings
from workers.worker_process import WorkerProcess


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


LOST = RuntimeError("CUDA error: an illegal memory access was encountered")
CHILD = HostRefused("sam3d_body", "engine_failed", "AcceleratorError: CUDA error: unspecified", fatal=True)


class World:
    """One queued job, and processes whose engine fails with an error."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        self.db = Database(f"sqlite:///{folder / 'ledger.db'}")
        self.db.migrate()
        body = '{"kind":"segment","image":{"id":"' + "0" * 64 + '"},"text":["cat"]}'
        submission = Submission("t", "segment", "auto", "default", body, "h", 900)
        self.job_id = jobs.submit(self.db, submission)[0].id
        self._store = LocalStore(folder / "store")

        def fail(*_: Any) -> None:
            raise error

        monkeypatch.setattr(attempts, "run_kind", fail)

    def run(self, worker: str) -> runner.Runner:
        engines = EngineSet("default")
        settings = WorkerSettings(worker_id=worker)
        one = runner.Runner(self.db, self._store, engines, Sandbox(), settings)
        one.run(self.job_id, "message")
        return one

    @property
    def job(self) -> Any:
        return jobs.get(self.db, "t", self.job_id)


def test_a_lost_gpu_ends_the_process_and_the_job_waits_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch, LOST)
    for attempt in (1, 2):
        with pytest.raises(DeviceLost):
            world.run(f"w{attempt}")
        assert (world.job.state, world.job.attempt) == ("queued", attempt)
    # what takes down every GPU is the job's fault
    with pytest.raises(DeviceLost):
        world.run("w3")
    assert world.job.state == "failed" and "engine_failed" in str(world.job.problem)


def test_a_lost_child_costs_the_job_an_attempt_and_not_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch, CHILD)
    for attempt in (1, 2):
        world.run("w")
        assert (world.job.state, world.job.attempt) == ("queued", attempt)
    world.run("w")
    assert (world.job.state, world.job.attempt) == ("failed", 3)


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        HostRefused("sam3d_objects", "out_of_memory", "the object does not fit", fatal=True),
    ],
    ids=["own", "child"],
)
def test_too_little_memory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world = World(tmp_path, monkeypatch, error)
    world.run("w")
    assert world.job.state == "failed" and "out_of_memory" in str(world.job.problem)


def test_a_job_that_did_not_fit_has_its_peak_of_gpu_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all jobs, its peak is the one that is asked for."""
    world = World(tmp_path, monkeypatch, LOST)
    card = FakeGpuMemory()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=card))
    monkeypatch.setattr(attempts, "release_memory", lambda: None)
    card.compute(90)

    def fill(*_: Any) -> None:
        card.compute(70)
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(attempts, "run_kind", fill)
    (peaks,) = world.run("w").stats.describe()["job_gpu_memory_peak_bytes"]
    assert (peaks["kind"], peaks["process"]) == ("segment", "worker")
    assert (peaks["count"], peaks["sum"]) == (1, 70 * GIB)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The codes with which a process ends itself; here it raises SystemExit."""
    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    return codes


def test_a_child_whose_gpu_is_lost_ends_so_that_celery_starts_another(
    monkeypatch: pytest.MonkeyPatch, ended: list[int]
) -> None:
    def lose(*_: str) -> None:
        raise DeviceLost("cuda:0")

    monkeypatch.setattr(workers.main, "_process", SimpleNamespace(run=lose))
    with pytest.raises(SystemExit):
        workers.main.run("job_1")
    assert ended == [1]


def make_process(describe: Any, wait: Any) -> WorkerProcess:
    """As much of a process as reports that it is alive."""
    process = WorkerProcess.__new__(WorkerProcess)
    process.__dict__.update(
        _stop=SimpleNamespace(wait=wait),
        _db=None,
        _settings=WorkerSettings(worker_id="w"),
        _runner=SimpleNamespace(stats=SimpleNamespace(describe=describe)),
        _store=SimpleNamespace(remove_stale_copies=lambda: None),
    )
    return process


def test_a_report_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that no longer reports is taken for lost, and its jobs are refused."""
    reports: list[str] = []
    described = iter([AttributeError("a module without its names"), {}])
    stops = iter([False, False, True])

    def describe() -> Any:
        one = next(described)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(worker_process, "probe_device", lambda: None)
    monkeypatch.setattr(worker_process.fleet, "record_seen", lambda _db, name, _stats: reports.append(name))
    make_process(describe, wait=lambda _: next(stops))._report_alive()
    assert reports == ["w"]


def test_a_process_whose_gpu_no_longer_computes_ends_without_a_job(
    monkeypatch: pytest.MonkeyPatch, ended: list[int]
) -> None:
    """Between jobs nothing else would notice, and the worker would look alive."""
    probes = iter([None, DeviceLost("cuda:0 runs no kernel any longer")])
    reports: list[str] = []

    def probe() -> None:
        error = next(probes)
        if error is not None:
            raise error

    monkeypatch.setattr(worker_process, "probe_device", probe)
    monkeypatch.setattr(worker_process.fleet, "record_seen", lambda _db, name, _stats: reports.append(name))
    process = make_process(describe=dict, wait=lambda _: False)
    with pytest.raises(SystemExit):
        process._report_alive()
    # the probe is every half minute, a report every five seconds
    assert ended == [1] and len(reports) == worker_process.REPORTS_PER_PROBE


def test_a_gpu_image_without_its_engine_takes_no_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = EngineSet("sam3", {}, {"concepts": "GpuUnusable: the driver is too old"})
    monkeypatch.setattr(worker_process, "load_engines", lambda *_: failed)
    monkeypatch.setattr(worker_process, "Sandbox", lambda: SimpleNamespace(start=lambda: None))
    monkeypatch.setenv("MAQUETTE_REQUIRE_GPU", "true")
    settings = WorkerSettings(
        database_url=f"sqlite:///{tmp_path / 'ledger.db'}", artefacts=str(tmp_path / "store"), worker_id="w"
    )
    with pytest.raises(EngineUnavailable, match="the driver is too old"):
        WorkerProcess(settings)
