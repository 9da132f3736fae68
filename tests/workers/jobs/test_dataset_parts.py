"""One dataset job on several workers: each part once, and the same version as one process makes."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from maquette.contract import DatasetResult, MediaRef

from media.sandbox import Sandbox
from storage.ledger import fleet, jobs, leases
from tests.support.dataset_worlds import FRAMES, QUEUE, TENANT, Heartbeat, Reds, World, version
from workers.datasets.budget_limits import Prices
from workers.datasets.cameras.colmap_solver import load_solver
from workers.datasets.components import Components
from workers.datasets.local import build_dataset
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source, SourceFrames
from workers.datasets.track_sources import EngineTracks
from workers.engines.registry import EngineSet
from workers.errors import JobProblem
from workers.jobs import run_part
from workers.jobs.context import JobContext
from workers.runner import Runner
from workers.settings import WorkerSettings

ALL_FRAMES = 2 * FRAMES - 24


@pytest.fixture(scope="module")
def alone(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The version that one process makes of the same videos, without a ledger."""
    folder = tmp_path_factory.mktemp("alone")
    settings = DatasetSettings.from_request(world.request(), Prices())

    def source(ref: MediaRef) -> Source:
        path = world.store.path(str(ref.id))
        probe = world.sandbox.probe(path)

        def opened(first: int, count: int | None) -> SourceFrames:
            actual = world.sandbox.frames(path, animated=False, start=first, limit=count)
            return SourceFrames(actual.time_base, actual.frames)

        size = probe["width"], probe["height"]
        return Source(str(ref.id), *size, probe.get("frames"), probe.get("frame_rate"), opened)

    components = Components(EngineTracks(world.engine, settings), solver=load_solver())  # type: ignore[arg-type]
    sources = [source(ref) for ref in world.videos]
    return build_dataset(sources, components, settings, folder / "work", folder / "out").manifest.version


class Together(Reds):
    """Goes on with its first clip when another engine has one too."""

    def __init__(self, barrier: threading.Barrier) -> None:
        super().__init__()
        self.barrier, self.clips = barrier, 0

    def tracker(self, prompts: Any, *, state: bytes | None = None) -> Any:
        self.clips += 1
        if self.clips == 1:
            self.barrier.wait(60)
        return super().tracker(prompts, state=state)


def work(world: World, job_id: str, name: str, engine: Reds) -> None:
    """What a worker of one process does, with the ledger in place of messages, until the job is over."""
    settings = WorkerSettings(worker_id=name, lease_seconds=30, worker_queue=QUEUE)
    deadline = time.monotonic() + 120
    with Sandbox() as sandbox:
        runner = Runner(world.db, world.store, EngineSet("default", {"concepts": engine}), sandbox, settings)
        while (row := jobs.get(world.db, TENANT, job_id)) is not None and row.finished_at is None:
            for item in world.queued(job_id):
                # others read the same: a message that comes twice
                runner.run(item, "message")
            assert time.monotonic() < deadline, row
            time.sleep(0.01)


def test_two_workers_share_a_job_and_do_each_clip_once(world: World, alone: str) -> None:
    barrier = threading.Barrier(2)
    engines = [Together(barrier), Together(barrier)]
    job_id = world.job()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: work(world, job_id, f"w{n}", engines[n]), range(2)))
    row = jobs.get(world.db, TENANT, job_id)
    assert row is not None and row.state == "succeeded", row
    manifest = world.manifest(str(row.manifest_sha256))
    assert version(manifest) == alone
    assert all(engine.frames for engine in engines)
    assert sum(engine.frames for engine in engines) == ALL_FRAMES
    events = jobs.list_events(world.db, job_id, 0)
    states = [event["data"]["state"] for event in events if event["type"] == "state"]
    assert states.count("succeeded") == 1
    # who watches the funnel sees it fill, clip by clip, until it is that of the result
    funnels = [
        {(step["stage"], step["unit"]): (step["given"], step["kept"]) for step in event["data"]["funnel"]}
        for event in events
        if event["type"] == "progress" and event["data"].get("funnel")
    ]
    assert isinstance(manifest.result, DatasetResult)
    result = {(step.stage, step.unit): (step.given, step.kept) for step in manifest.result.funnel}
    assert funnels[-1] == result
    assert [funnel.get(("found", "clips"), (0, 0))[0] for funnel in funnels] == list(range(len(funnels)))
    assert len(funnels) == manifest.result.clips + 1


def test_a_worker_that_comes_back_from_the_dead_changes_nothing(world: World, alone: str) -> None:
    job_id = world.job()
    heartbeat = Heartbeat()
    world.step(job_id, heartbeat)
    for _ in range(2):
        world.step(job_id, heartbeat)
    world.step(job_id, heartbeat)
    # the first clip is worked on, and before it is committed everybody takes its worker for dead
    slow = leases.claim(world.db, world.queued(job_id)[0], "slow", 600)
    assert slow is not None and slow.kind == "dataset.clips"
    context = JobContext(slow, heartbeat, world.db, world.store, world.engines, world.sandbox)  # type: ignore[arg-type]
    outcome = run_part(context)
    manifest = world.go(job_id, heartbeat)
    assert not leases.complete(world.db, slow, outcome.output, outcome.spent, [])
    assert version(manifest) == alone


def test_a_worker_of_another_release_does_not_mix_in(world: World) -> None:
    job_id = world.job()
    for _ in range(4):
        world.step(job_id, Heartbeat())
    row = leases.claim(world.db, world.queued(job_id)[0], "w", 600)
    other = Reds()
    other.info = replace(Reds.info, weights={"w": "1" * 64})
    engines = EngineSet("default", {"concepts": other})
    with pytest.raises(JobProblem) as caught:
        run_part(JobContext(row, Heartbeat(), world.db, world.store, engines, world.sandbox))  # type: ignore[arg-type]
    assert caught.value.problem.code == "worker_differs"


def test_surveys_go_to_workers_without_a_gpu_where_there_are_any(world: World) -> None:
    def queues() -> set[str]:
        job_id = world.job()
        world.step(job_id, Heartbeat())
        return {world.find_queue(part) for part in world.queued(job_id)}

    assert queues() == {"q"}
    fleet.announce(world.db, "cpu", "default", [])
    try:
        assert queues() == {"default"}
    finally:
        fleet.leave(world.db, "cpu")


def test_a_gpu_only_follows_where_others_can_do_the_rest(
    world: World, alone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.engine, "info", replace(Reds.info, device="cuda"))
    fleet.announce(world.db, "cpu", "default", [])
    job_id, kinds, at_once = world.job(), set(), False
    try:
        manifest = None
        while manifest is None:
            kinds |= {(world.find_kind(item), world.find_queue(item)) for item in world.queued(job_id)}
            first = world.queued(job_id)[0]
            at_once |= len({world.find_kind(item) for item in world.queued(job_id)}) > 1
            before, follows = world.engine.frames, world.find_kind(first) == "dataset.follow"
            manifest = world.step(job_id, Heartbeat())
            assert (world.engine.frames > before) == follows
    finally:
        fleet.leave(world.db, "cpu")
    parts = {("dataset.survey", "default"), ("dataset.follow", "q"), ("dataset.clips", "default")}
    assert kinds == parts | {("dataset", "q")}
    assert version(manifest) == alone
    assert at_once, "clips are finished while others are still to be followed"


def test_a_probe_reports_what_held_a_gpu(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.engine, "info", replace(Reds.info, device="cuda"))
    manifest = world.go(world.job(max_clips=1), Heartbeat())
    artefact = next(item for item in manifest.artefacts if item.name == "timing.json")
    timing = json.loads(world.store.get(artefact.sha256))
    # this worker holds its GPU through all it does
    assert timing["gpu_stages"] == timing["stages"] and timing["stages"]["engine"] > 0


def test_a_budget_of_gpus_leaves_out_what_was_not_followed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.engine, "info", replace(Reds.info, device="cuda"))
    fleet.announce(world.db, "cpu", "default", [])
    try:
        job_id = world.job(max_gpu_seconds=1e-6)
        manifest = world.go(job_id, Heartbeat())
    finally:
        fleet.leave(world.db, "cpu")
    assert manifest.result.kind == "dataset" and manifest.result.rejected == {"budget": 5}
    assert "budget_reached" in manifest.flags


def test_dollars_need_prices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAQUETTE_PRICE_CPU_HOUR", raising=False)
    with pytest.raises(JobProblem) as caught:
        world.go(world.job(max_dollars=1.0), Heartbeat())
    assert (caught.value.problem.code, caught.value.problem.status) == ("price_unknown", 422)


@pytest.mark.parametrize(("price", "clips"), [(3600.0, 0), (1e-6, 5)])
def test_dollars_are_what_workers_take_at_their_price(
    world: World, monkeypatch: pytest.MonkeyPatch, price: float, clips: int
) -> None:
    monkeypatch.setenv("MAQUETTE_PRICE_CPU_HOUR", str(price))
    manifest = world.go(world.job(max_dollars=0.001), Heartbeat())
    assert manifest.result.kind == "dataset" and manifest.result.clips == clips
    assert ("budget_reached" in manifest.flags) == (clips == 0)


@pytest.mark.parametrize(("device", "clips"), [("cpu", 5), ("cuda", 0)])
def test_seconds_of_gpus_are_those_of_workers_with_one(
    world: World, monkeypatch: pytest.MonkeyPatch, device: str, clips: int
) -> None:
    monkeypatch.setattr(world.engine, "info", replace(Reds.info, device=device))
    manifest = world.go(world.job(max_gpu_seconds=0.001), Heartbeat())
    assert manifest.result.kind == "dataset" and manifest.result.clips == clips
