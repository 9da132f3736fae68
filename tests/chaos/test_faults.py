"""Processes are killed while jobs run: every job still ends, once, with the right result."""

import hashlib
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from maquette import JobCancelled, JobFailed, Maquette
from maquette.handles import AnyJob
from maquette.progress import UploadProgress
from PIL import Image

from service.embedded import Stack
from tests.support.faults import (
    answers,
    is_past_frame,
    kill,
    pool_child,
    read_masks,
    resumed_frames,
    succeeded_once,
    wait_for_success,
    wait_until,
)
from tests.support.media_files import encode_image
from tests.support.scenes import make_wall, write_ball_video
from workers.geometry.boxes import bounding_box

# long enough for a checkpoint to resume from, and not
FRAMES, FEW_FRAMES = 72, 30


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[float, float, float, float]]:
    path = tmp_path_factory.mktemp("video") / "ball.mp4"
    return path, bounding_box(write_ball_video(path, FRAMES)[0])


@pytest.fixture(scope="module")
def short_video(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[float, float, float, float]]:
    path = tmp_path_factory.mktemp("video") / "short.mp4"
    return path, bounding_box(write_ball_video(path, FEW_FRAMES)[0])


@pytest.fixture(scope="module")
def undisturbed(shaky: Stack, video: tuple[Path, tuple[float, ...]]) -> dict[str, str]:
    """Hashes of the masks of an undisturbed run."""
    with Maquette(shaky.url, api_key=shaky.api_key) as mq:
        return read_masks(mq.track(video[0], boxes=[video[1]]))


def test_a_killed_worker_resumes_from_its_checkpoint(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]], undisturbed: dict[str, str]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    wait_until(shaky, is_past_frame(job, 54))
    kill(shaky, "worker", group=True)
    wait_for_success(shaky, job)
    assert read_masks(job) == undisturbed
    assert job.data.attempt == 2
    assert succeeded_once(job)
    assert min(resumed_frames(job)) > 48


def test_a_killed_child_is_replaced(
    shaky: Stack, client: Maquette, short_video: tuple[Path, tuple[float, ...]]
) -> None:
    job = client.track(short_video[0], boxes=[short_video[1]])
    wait_until(shaky, is_past_frame(job, 5))
    worker = shaky.process("worker").process
    pool_child(shaky).kill()
    wait_for_success(shaky, job)
    assert job.data.attempt == 2 and succeeded_once(job)
    assert worker is not None and worker.poll() is None


def track_until_hung(
    stack: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]]
) -> tuple[AnyJob, psutil.Process]:
    """A track job past its fifth frame, and the child that runs it, which is suspended."""
    job = client.track(video[0], boxes=[video[1]])
    wait_until(stack, is_past_frame(job, 5))
    child = pool_child(stack)
    child.suspend()
    return job, child


def test_a_hung_child_is_killed_and_its_job_runs_again(
    shaky: Stack, client: Maquette, short_video: tuple[Path, tuple[float, ...]]
) -> None:
    job, hung = track_until_hung(shaky, client, short_video)
    wait_for_success(shaky, job)
    assert job.data.attempt == 2 and succeeded_once(job)
    assert not hung.is_running()


def test_a_hung_child_does_not_prevent_cancellation(
    shaky: Stack, client: Maquette, short_video: tuple[Path, tuple[float, ...]]
) -> None:
    job, hung = track_until_hung(shaky, client, short_video)
    job.cancel()
    wait_until(shaky, lambda: job.refresh().state == "cancelled", 20)
    wait_until(shaky, lambda: not hung.is_running(), 20)
    wait_for_success(shaky, client.segment(make_wall(), boxes=[(50, 50, 150, 150)], seed=42))


def test_a_terminated_worker_hands_its_job_back(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]], undisturbed: dict[str, str]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    wait_until(shaky, is_past_frame(job, 5))
    started = time.monotonic()
    kill(shaky, "worker", signal.SIGTERM)
    assert time.monotonic() - started < 20
    reasons = (event.data["reason"] for event in job.events() if event.data.get("reason"))
    assert next(reasons) == "handed_back"
    wait_for_success(shaky, job)
    assert read_masks(job) == undisturbed and succeeded_once(job)


def test_a_gateway_killed_after_202_loses_nothing(shaky: Stack, client: Maquette) -> None:
    client.upload(make_wall())
    jobs = [client.segment(make_wall(), boxes=[(50, 50, 150, 150)], seed=seed) for seed in range(3)]
    kill(shaky, "gateway")
    wait_until(shaky, lambda: answers(client))
    wait_for_success(shaky, *jobs)
    assert all(succeeded_once(job) for job in jobs)


def count_pieces(stack: Stack) -> int:
    """Stored pieces of unfinished uploads."""
    with closing(sqlite3.connect(stack.folder / "ledger.db")) as ledger:
        return int(ledger.execute("SELECT count(*) FROM upload_pieces").fetchone()[0])


def test_a_gateway_killed_while_a_large_file_arrives_costs_a_piece_of_it(shaky: Stack) -> None:
    side = 3_000
    noise = Image.fromarray(np.random.default_rng(16).integers(0, 256, (side, side, 3), np.uint8))
    data = encode_image(noise, "PNG", compress_level=0)
    sent: list[int] = []

    def kill_once(upload: UploadProgress) -> None:
        if upload.sent > 20 << 20 and not any(before > 20 << 20 for before in sent):
            # what was sent may wait in sockets: the first piece has to be stored
            wait_until(shaky, lambda: count_pieces(shaky) > 0)
            kill(shaky, "gateway")
            shaky.restart_dead()
        sent.append(upload.sent)

    with Maquette(shaky.url, api_key=shaky.api_key, on_upload=kill_once, retries=8) as mq:
        media = mq.media(mq.upload(data))
    assert media is not None
    assert (media.id, media.width) == (hashlib.sha256(data).hexdigest(), side)
    # it went back once, to the last piece of 16 MiB that was stored; a few more were on their way
    back = [(before, after) for before, after in pairwise(sent) if after < before]
    assert len(back) == 1
    assert back[0][1] > 0 and back[0][0] - back[0][1] <= 24 << 20


def test_a_restarted_queue_loses_nothing(shaky: Stack, client: Maquette) -> None:
    before = [client.segment(make_wall(), boxes=[(50, 50, 150, 150)], seed=10 + n) for n in range(2)]
    kill(shaky, "queue")
    during = [client.segment(make_wall(), boxes=[(50, 50, 150, 150)], seed=20 + n) for n in range(2)]
    wait_for_success(shaky, *before, *during)
    assert all(succeeded_once(job) for job in (*before, *during))


def test_an_emptied_queue_is_filled_again(shaky: Stack, client: Maquette) -> None:
    worker = shaky.process("worker").process
    assert worker is not None
    jobs = [client.segment(make_wall(), boxes=[(50, 50, 150, 150)], seed=30 + n) for n in range(3)]
    kill(shaky, "queue")
    shutil.rmtree(shaky.folder / "queue")
    (shaky.folder / "queue").mkdir()
    wait_for_success(shaky, *jobs)
    assert all(succeeded_once(job) for job in jobs)


def test_cancel_stops_the_job_and_not_the_worker(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]]
) -> None:
    job = client.track(video[0], boxes=[video[1]])
    wait_until(shaky, is_past_frame(job, 5))
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(timeout=15)
    frames = [event.data["done"] for event in job.events() if event.type == "progress"]
    assert max(frames) < FRAMES
    wait_for_success(shaky, client.segment(make_wall(), boxes=[(50, 50, 150, 150)], seed=40))


def test_a_job_over_its_time_limit_is_stopped(
    shaky: Stack, client: Maquette, video: tuple[Path, tuple[float, ...]]
) -> None:
    job = client.track(video[0], boxes=[video[1]], timeout_seconds=1)
    with pytest.raises(JobFailed) as caught:
        job.wait(timeout=30)
    assert caught.value.code == "timed_out"
    wait_for_success(shaky, client.segment(make_wall(), boxes=[(50, 50, 150, 150)], seed=41))
