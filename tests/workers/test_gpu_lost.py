"""A job whose GPU is lost is tried again by another process; one without enough memory says so."""

from pathlib import Path
from typing import Any

import pytest

from media.sandbox import Sandbox
from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, jobs
from workers import attempts, runner
from workers.engines.gpu_faults import DeviceLost
from workers.engines.host.errors import HostRefused
from workers.engines.registry import EngineSet
from workers.settings import WorkerSettings


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

    def run(self, worker: str) -> None:
        engines = EngineSet("default")
        settings = WorkerSettings(worker_id=worker)
        runner.Runner(self.db, self._store, engines, Sandbox(), settings).run(self.job_id, "message")

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
