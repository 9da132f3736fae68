"""Processes are killed while jobs run: every job still ends, once, with the right result."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from maquette import JobCancelled, JobFailed, Maquette
from maquette.handles import AnyJob

from service.embedded import Stack
from tests.support.scenes import moving_ball, wall
from workers.geometry.boxes import bounding_box

pytestmark = pytest.mark.slow
FRAMES = 110


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[float, float, float, float]]:
    path = tmp_path_factory.mktemp("video") / "ball.mp4"
    return path, bounding_box(moving_ball(path, FRAMES)[0])


@pytest.fixture(scope="module")
def undisturbed(shaky: Stack, video: tuple[Path, tuple[float, ...]]) -> dict[str, str]:
    """Hashes of the masks of a run that nobody disturbs."""
    with Maquette(shaky.url, api_key=shaky.api_key) as mq:
        return masks(mq.track(video[0], boxes=[video[1]]))


def masks(job: AnyJob) -> dict[str, str]:
    result = job.wait(timeout=120)
    return {item.name: item.sha256 for item in result.artefacts if item.role == "masks"}


def until(stack: Stack, true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        stack.restart_dead()
        time.sleep(0.05)


def running_past(job: AnyJob, frame: int) -> Callable[[], bool]:
    def reached() -> bool:
        step = job.refresh().data.progress
        return step is not None and step.stage == "track" and step.done >= frame

    return reached


def finished(stack: Stack, *jobs: AnyJob) -> None:
    until(stack, lambda: all(job.refresh().state == "succeeded" for job in jobs), 120)


def succeeded_once(job: AnyJob) -> bool:
    return [event.data.get("state") for event in job.events()].count("succeeded") == 1


def kill(stack: Stack, name: str, number: int = signal.SIGKILL, *, group: bool = False) -> None:
    process = stack.process(name).process
    assert process is not None
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait(30)


def pool_child(stack: Stack) -> psutil.Process:
    """The process that runs jobs: the largest child of the Celery parent."""
    worker = stack.process("worker").process
    assert worker is not None
    children = psutil.Process(worker.pid).children()
    return max(children, key=lambda child: child.memory_info().rss)


def test_a_worker_killed_in_the_middle_goes_on_from_its_checkpoint(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]], undisturbed: dict[str, str]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    until(shaky, running_past(job, 60))
    kill(shaky, "worker", group=True)
    finished(shaky, job)
    assert masks(job) == undisturbed
    assert job.data.attempt == 2
    assert succeeded_once(job)
    events = list(job.events())
    lost = next(i for i, e in enumerate(events) if e.data.get("reason") == "worker_lost")
    resumed = [e.data["done"] for e in events[lost:] if e.type == "progress" and e.data["stage"] == "track"]
    assert min(resumed) > 48


def test_a_killed_child_is_replaced(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    until(shaky, running_past(job, 5))
    worker = shaky.part("worker").process
    pool_child(shaky).kill()
    finished(shaky, job)
    assert job.data.attempt == 2 and succeeded_once(job)
    assert worker is not None and worker.poll() is None


def test_a_child_that_hangs_is_killed_and_its_job_runs_again(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    until(shaky, running_past(job, 5))
    hung = pool_child(shaky)
    hung.suspend()
    finished(shaky, job)
    assert job.data.attempt == 2 and succeeded_once(job)
    assert not hung.is_running()


def test_a_child_that_hangs_cannot_keep_a_job_from_being_cancelled(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    until(shaky, running_past(job, 5))
    hung = pool_child(shaky)
    hung.suspend()
    job.cancel()
    until(shaky, lambda: job.refresh().state == "cancelled", 20)
    until(shaky, lambda: not hung.is_running(), 20)
    finished(shaky, client.segment(wall(), boxes=[(50, 50, 150, 150)], seed=42))


def test_a_worker_that_is_told_to_stop_hands_its_job_back(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]], undisturbed: dict[str, str]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    until(shaky, running_past(job, 5))
    begun = time.monotonic()
    kill(shaky, "worker", signal.SIGTERM)
    assert time.monotonic() - begun < 20
    assert any(event.data.get("reason") == "handed_back" for event in _so_far(job))
    finished(shaky, job)
    assert masks(job) == undisturbed and succeeded_once(job)


def test_a_gateway_killed_after_202_loses_nothing(shaky: Stack, client: Maquette) -> None:
    client.upload(wall())
    jobs = [client.segment(wall(), boxes=[(50, 50, 150, 150)], seed=seed) for seed in range(5)]
    kill(shaky, "gateway")
    until(shaky, lambda: _answers(client))
    finished(shaky, *jobs)
    assert all(succeeded_once(job) for job in jobs)


def test_a_queue_that_is_killed_and_comes_back_loses_nothing(shaky: Stack, client: Maquette) -> None:
    before = [client.segment(wall(), boxes=[(50, 50, 150, 150)], seed=10 + n) for n in range(4)]
    kill(shaky, "queue")
    during = [client.segment(wall(), boxes=[(50, 50, 150, 150)], seed=20 + n) for n in range(4)]
    finished(shaky, *before, *during)
    assert all(succeeded_once(job) for job in (*before, *during))


def test_a_queue_that_forgot_everything_is_told_again(shaky: Stack, client: Maquette) -> None:
    worker = shaky.part("worker").process
    assert worker is not None
    jobs = [client.segment(wall(), boxes=[(50, 50, 150, 150)], seed=30 + n) for n in range(4)]
    kill(shaky, "queue")
    shutil.rmtree(shaky.folder / "queue")
    (shaky.folder / "queue").mkdir()
    finished(shaky, *jobs)
    assert all(succeeded_once(job) for job in jobs)


def test_cancel_stops_the_work_and_the_worker_goes_on(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    until(shaky, running_past(job, 5))
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(timeout=15)
    done = [event.data["done"] for event in job.events() if event.type == "progress"]
    assert max(done) < FRAMES
    finished(shaky, client.segment(wall(), boxes=[(50, 50, 150, 150)], seed=40))


def test_a_job_over_its_time_is_stopped(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]]
) -> None:
    job = client.track(video[0], boxes=[video[1]], timeout_seconds=1)
    with pytest.raises(JobFailed) as caught:
        job.wait(timeout=30)
    assert caught.value.code == "timed_out"
    finished(shaky, client.segment(wall(), boxes=[(50, 50, 150, 150)], seed=41))


def _answers(client: Maquette) -> bool:
    try:
        return bool(client.engines())
    except Exception:
        return False


def _so_far(job: AnyJob) -> list[object]:
    found = []
    for event in job.events():
        found.append(event)
        if event.data.get("reason"):
            break
    return found
