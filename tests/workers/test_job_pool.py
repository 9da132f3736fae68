"""Several jobs run in one process: each keeps its own result, problem, cancellation, deadline and lease."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.contract import Box, MediaRef, SegmentJob

from media.sandbox import Sandbox
from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, files, fleet, jobs, leases
from storage.ledger.leases import HeartbeatReply
from tests.support.fake_gpu_engine import Embedded, FakeGpuEngine
from tests.support.media_files import encode_png, make_gradient
from workers import heartbeat as heartbeats
from workers.engines.gpu_faults import DeviceLost
from workers.engines.registry import EngineSet
from workers.pipeline import PipelineSettings
from workers.runner import Runner
from workers.settings import WorkerSettings

pytestmark = pytest.mark.slow

SLOTS = 4
Hook = Callable[[str, list[Embedded]], None]


class World:
    """A ledger with queued segment jobs, each about an image of its own, and runners for them."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.db = Database(f"sqlite:///{folder / 'ledger.db'}")
        self.db.migrate()
        self.store = LocalStore(folder / "store")
        self.engine = FakeGpuEngine()
        self.images: list[str] = []
        # jobs that a heartbeat has asked to stop
        self.stopped: set[str] = set()
        self._sandbox = sandbox
        self._runners: list[Runner] = []

    def submit(self, count: int, *, timeout: int = 900, text: str = "cat") -> list[str]:
        return [self._submit_one(timeout, text) for _ in range(count)]

    def _submit_one(self, timeout: int, text: str) -> str:
        shade = len(self.images)
        data = encode_png(np.roll(make_gradient(), 3 * shade, axis=1))
        sha256 = self.store.put(data)
        if sha256 not in self.images:
            files.add_media(
                self.db, "t", sha256, {**self._sandbox.probe(self.store.path(sha256)), "bytes": 1}
            )
        self.images.append(sha256)
        request = SegmentJob(image=MediaRef(id=sha256), text=[text], boxes=[Box(x0=1, y0=1, x1=9, y1=9)])
        body = request.model_dump_json()
        row = Submission("t", "segment", "auto", "default", body, str(shade), timeout, subject=sha256)
        return jobs.submit(self.db, row)[0].id

    def make_runner(self, count: int = SLOTS, worker: str = "w", **settings: Any) -> Runner:
        pipeline = PipelineSettings(jobs=count, wait_ms=0, **settings)
        quick = WorkerSettings(worker_id=worker, heartbeat_seconds=0.05, pipeline=pipeline)
        engines = EngineSet("default", {"concepts": self.engine})
        self._runners.append(Runner(self.db, self.store, engines, self._sandbox, quick))
        return self._runners[-1]

    def read(self, job_id: str) -> Any:
        row = jobs.get(self.db, "t", job_id)
        assert row is not None
        return row

    def states(self, job_ids: list[str]) -> list[str]:
        return [self.read(job_id).state for job_id in job_ids]

    def count_ends(self, job_id: str) -> int:
        events = jobs.list_events(self.db, job_id, 0)
        return [event["data"].get("state") for event in events].count("succeeded")

    def close(self) -> None:
        for runner in self._runners:
            runner.close()
        self.db.close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as shared:
        yield shared


@pytest.fixture
def world(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, sandbox)
    beat = leases.heartbeat

    def note(db: Database, job: Any, *given: Any) -> HeartbeatReply:
        reply = beat(db, job, *given)
        if reply is not HeartbeatReply.CONTINUE:
            made.stopped.add(job.id)
        return reply

    monkeypatch.setattr(leases, "heartbeat", note)
    yield made
    made.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Meeting:
    """Holds the first launch until the other jobs wait, then their batch (an embed) until it is let go.

    `then` is called for every launch, as the engine's own hook.
    """

    def __init__(
        self, world: "World", runner: Runner, *, held: bool = True, then: Hook = lambda *_: None
    ) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.count: int | None = None
        self.keys: list[str] = []
        self._batcher, self._then = runner._batcher, then
        if not held:
            self.go.set()
        world.engine.on_batch = self._hold

    def _hold(self, operation: str, items: list[Embedded]) -> None:
        if self.count is None:
            self.count = SLOTS - len(items)
            wait_for(lambda: len(self._batcher._queue) == self.count)  # type: ignore[union-attr]
        elif operation == "embed" and not self.began.is_set():
            assert len(items) == self.count
            self.keys = [item.key for item in items]
            self.began.set()
            assert self.go.wait(20)
        self._then(operation, items)


def run(threads: ThreadPoolExecutor, runner: Runner, job_id: str) -> Future[None]:
    return threads.submit(runner.run, job_id, "message")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "this has not happened within 20 s"
        time.sleep(0.01)
    # the thread that made it so has to go on
    time.sleep(0.01)


def test_results_are_those_of_one_at_a_time(world: World) -> None:
    together, alone = world.submit(6), []
    taken: list[int] = []
    runner = world.make_runner()
    runner._take_message = lambda: taken.append(1)
    Meeting(world, runner, held=False)
    runner.run(together[0], "message")
    world.engine.on_batch = lambda *_: None
    assert world.states(together) == ["succeeded"] * 6
    assert any(kind == "embed" and size > 1 for kind, size in world.engine.batches)
    # the first job has its own message
    assert len(taken) == 5
    world.images.clear()
    alone = world.submit(6)
    one = world.make_runner(1)
    for job_id in alone:
        one.run(job_id, "message")
    manifests = [[world.read(job_id).manifest_sha256 for job_id in some] for some in (together, alone)]
    assert manifests[0] == manifests[1] and len(set(manifests[0])) == 6


def test_a_bad_image_costs_its_neighbours_nothing(world: World) -> None:
    together = world.submit(SLOTS)
    bad = world.images[2]

    shared: list[int] = []

    def refuse(operation: str, items: list[Embedded]) -> None:
        if bad in [item.key for item in items]:
            shared.append(len(items))
            raise FloatingPointError("not a number")

    runner = world.make_runner()
    Meeting(world, runner, held=False, then=refuse)
    runner.run(together[0], "message")
    # a busy machine may begin with two of them
    assert max(shared) > 1
    assert world.states(together) == ["succeeded", "succeeded", "failed", "succeeded"]
    assert world.read(together[2]).problem["code"] == "engine_failed"
    assert [world.read(job_id).attempt for job_id in together] == [1] * SLOTS


def test_a_refused_phrase_is_its_own_job_s_problem(world: World) -> None:
    together = [*world.submit(1), *world.submit(1, text="unicorn"), *world.submit(1)]
    world.make_runner().run(together[0], "message")
    assert world.states(together) == ["succeeded", "failed", "succeeded"]


def test_cancelling_one_of_a_batch_ends_that_one(world: World, threads: ThreadPoolExecutor) -> None:
    together = world.submit(SLOTS)
    runner = world.make_runner()
    meeting = Meeting(world, runner)
    running = run(threads, runner, together[0])
    assert meeting.began.wait(20)
    jobs.cancel(world.db, "t", together[1])
    wait_for(lambda: together[1] in world.stopped)
    meeting.go.set()
    running.result(20)
    assert world.states(together) == ["succeeded", "cancelled", "succeeded", "succeeded"]


def test_a_deadline_is_one_job_s(world: World, threads: ThreadPoolExecutor) -> None:
    together = [*world.submit(2), *world.submit(1, timeout=1), *world.submit(1)]
    runner = world.make_runner()
    meeting = Meeting(world, runner)
    running = run(threads, runner, together[0])
    assert meeting.began.wait(20)
    time.sleep(1.2)
    meeting.go.set()
    running.result(20)
    assert world.states(together) == ["succeeded", "succeeded", "failed", "succeeded"]
    assert world.read(together[2]).problem["code"] == "timed_out"


def test_a_lost_lease_changes_nothing_and_hurts_nobody(world: World, threads: ThreadPoolExecutor) -> None:
    together = world.submit(SLOTS)
    runner = world.make_runner()
    meeting = Meeting(world, runner)
    running = run(threads, runner, together[0])
    assert meeting.began.wait(20)
    with world.db.write() as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET attempt = attempt + 1, worker = 'other' WHERE id = ?", (together[3],)
        )
    wait_for(lambda: together[3] in world.stopped)
    meeting.go.set()
    running.result(20)
    assert world.states(together) == ["succeeded", "succeeded", "succeeded", "running"]
    assert world.read(together[3]).worker == "other"


def test_a_worker_that_drains_gives_all_jobs_back(world: World, threads: ThreadPoolExecutor) -> None:
    together = world.submit(SLOTS + 2)
    fleet.announce(world.db, "w", "default", [])
    runner = world.make_runner()
    meeting = Meeting(world, runner)
    running = run(threads, runner, together[0])
    assert meeting.began.wait(20)
    # ten times as long as it takes to look for another job
    time.sleep(0.2)
    assert world.states(together) == ["running"] * SLOTS + ["queued"] * 2, "each has a place"
    fleet.drain(world.db, "w")
    wait_for(lambda: set(together[:SLOTS]) <= world.stopped)
    meeting.go.set()
    running.result(20)
    assert world.states(together) == ["queued"] * len(together)
    rows = [world.read(job_id) for job_id in together]
    assert all(row.attempt == row.handed_back for row in rows)
    world.make_runner(worker="next").run(together[0], "message")
    assert world.states(together) == ["succeeded"] * len(together)


def test_a_lost_gpu_ends_the_process_and_every_job_is_tried_alone(world: World) -> None:
    class AcceleratorError(RuntimeError):
        """Named as torch's."""

    together = world.submit(SLOTS)
    bad = world.images[1]

    def lose(_operation: str, items: list[Embedded]) -> None:
        if bad in [item.key for item in items]:
            raise AcceleratorError("CUDA error: an illegal memory access was encountered")

    for number in range(3):
        runner = world.make_runner(worker=f"w{number}")
        if number == 0:
            Meeting(world, runner, held=False, then=lose)
        else:
            world.engine.on_batch = lose
        with pytest.raises(DeviceLost):
            runner.run(together[0], "message")
        if number == 0:
            assert world.states(together).count("queued") >= SLOTS - 1
            del world.engine.batches[:]
    world.make_runner(worker="last").run(together[0], "message")
    assert world.states(together) == ["succeeded", "failed", "succeeded", "succeeded"]
    assert {size for _, size in world.engine.batches} == {1}
    assert all(world.count_ends(job_id) == 1 for job_id in together if job_id != together[1])


def test_a_process_that_kills_itself_hands_the_others_back(
    world: World, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = threading.Event()
    monkeypatch.setattr(heartbeats.os, "kill", lambda *_: killed.set())
    together = world.submit(SLOTS)
    runner = world.make_runner()
    meeting = Meeting(world, runner)
    runner._settings.stop_grace_seconds = 0.1
    running = run(threads, runner, together[0])
    assert meeting.began.wait(20)
    hanging = world.images.index(meeting.keys[0])
    jobs.cancel(world.db, "t", together[hanging])
    assert killed.wait(20)
    # in place of a process that is gone
    runner._pool._ends = True  # type: ignore[union-attr]
    wait_for(lambda: "running" not in world.states(together))
    others = [job_id for number, job_id in enumerate(together) if number != hanging]
    assert world.states(others) == ["queued"] * (SLOTS - 1)
    assert all(row.attempt == row.handed_back for row in map(world.read, others))
    assert world.read(together[hanging]).state == "cancelled"
    meeting.go.set()
    running.result(20)


def test_images_that_do_not_fit_into_memory_take_turns(world: World) -> None:
    together = world.submit(SLOTS)
    runner = world.make_runner()
    runner._pool._admission._max_bytes = 1  # type: ignore[union-attr]
    runner.run(together[0], "message")
    assert world.states(together) == ["succeeded"] * SLOTS
    assert {size for _, size in world.engine.batches} == {1}


def test_stages_and_batches_are_counted(world: World) -> None:
    together = world.submit(SLOTS)
    runner = world.make_runner()
    Meeting(world, runner, held=False)
    runner.run(together[0], "message")
    described = runner.stats.describe()
    stages = {(item["kind"], item["stage"]): item["count"] for item in described["stage_seconds"]}
    assert stages == {("segment", stage): SLOTS for stage in ("load", "embed", "prompt", "write")}
    # which jobs meet in a batch depends on when each has its image
    sizes = described["batch_size"]["embed"]
    assert sizes["sum"] == SLOTS and 1 <= sizes["count"] <= SLOTS
    assert [bound for bound, _ in sizes["buckets"]] == [1, 2, 4, 8, 16, 32, 64]
    assert sizes["buckets"][-1][1] == sizes["count"]
    assert 0 < described["busy_seconds"] < described["seconds"]
    assert described["gpu_memory_bytes"] == described["job_gpu_memory_peak_bytes"] == []
    assert 0 < described["busy_ratio"] < 1
    # without batches nobody knows
    assert world.make_runner(1).stats.describe()["busy_ratio"] is None
