"""Processes are killed while a dataset job runs: it publishes one version, and the same one.

MAQUETTE_CHAOS_ROUNDS sets how often each process is killed, after the first round at a random time.
"""

import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from maquette import Maquette
from maquette.handles import Job
from maquette.results import DatasetResult

from service.embedded import Stack
from tests.support.faults import kill, read_state, wait_until
from tests.support.media_files import write_clip
from tests.support.scenes import load_motorcycle
from tests.support.stacks import QUICK, running_stack
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify

ROUNDS = int(os.environ.get("MAQUETTE_CHAOS_ROUNDS", "1"))
FRAMES = 36


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a photo of a motorcycle that moves sideways."""
    photo = load_motorcycle((240, 160))
    rolled = [np.roll(photo, index, axis=1) for index in range(FRAMES)]
    return write_clip(tmp_path_factory.mktemp("video") / "ride.mp4", rolled, rate=12, crf=18)


@pytest.fixture(scope="module")
def shaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two workers that share the clips of a job."""
    with running_stack(tmp_path_factory.mktemp("shaky"), QUICK, workers=2) as stack:
        yield stack


def start(client: Maquette, video: Path) -> Job[DatasetResult]:
    # every run does its own work
    options: dict[str, float] = {"clip_seconds": 1.0, "min_clip_seconds": 0.5}
    return client.dataset([video], "motorcycle", size=192, reuse=False, **options)


@pytest.fixture(scope="module")
def undisturbed(shaky: Stack, video: Path) -> tuple[str, float]:
    """The version of an undisturbed run, and how many seconds it took."""
    with Maquette(shaky.url, api_key=shaky.api_key) as mq:
        started = time.monotonic()
        result = start(mq, video).wait(timeout=180)
        return result.data.version, time.monotonic() - started


@pytest.mark.parametrize("part", ["worker", "gateway", "queue"])
@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_version_is_the_same_whichever_process_is_killed(
    shaky: Stack,
    client: Maquette,
    video: Path,
    undisturbed: tuple[str, float],
    part: str,
    number: int,
    tmp_path: Path,
) -> None:
    version, seconds = undisturbed
    job = start(client, video)
    # the first kill is in the middle, so that there is something to resume from
    share = 0.6 if number == 0 else random.Random(f"{part} {number}").uniform(0.0, 1.0)
    time.sleep(share * seconds)
    name = "worker-2" if part == "worker" and number % 2 else part
    kill(shaky, name, group=part == "worker")
    wait_until(shaky, lambda: read_state(job) == "succeeded", 120)
    result = job.wait(timeout=10)
    assert result.data.version == version
    assert [event.data.get("state") for event in job.events()].count("succeeded") == 1
    if number == 0:
        assert verify(result.save(tmp_path / "data")) == []


@pytest.fixture
def single_worker(tmp_path: Path) -> Iterator[Stack]:
    """A stack with one worker, so that nothing else dies with it."""
    with running_stack(tmp_path / "stack", QUICK) as stack:
        yield stack


def attempts(stack: Stack, first: int) -> set[int]:
    """The attempt in progress at the clip that begins with a frame."""
    with closing(sqlite3.connect(stack.folder / "ledger.db", timeout=30)) as ledger:
        rows = ledger.execute(
            "SELECT request, attempt FROM jobs WHERE kind = 'dataset.clips' AND state = 'running'"
        ).fetchall()
    return {attempt for request, attempt in rows if json.loads(request)["plan"]["first"] == first}


def test_a_clip_that_kills_every_worker_is_left_out_alone(
    single_worker: Stack, video: Path, tmp_path: Path
) -> None:
    with Maquette(single_worker.url, api_key=single_worker.api_key, retries=8) as mq:
        job = start(mq, video)
        killed: set[int] = set()
        deadline = time.monotonic() + 240
        while read_state(job) not in ("succeeded", "failed"):
            assert time.monotonic() < deadline, "the job has not ended within 240 s"
            single_worker.restart_dead()
            if now := attempts(single_worker, 12) - killed:
                kill(single_worker, "worker", group=True)
                killed |= now
            time.sleep(0.02)
        result = job.wait(timeout=10)
        assert killed == {1, 2, 3}
        assert "clips_failed" in result.flags
        [(clip, reason)] = result.data.failed.items()
        assert reason.startswith("attempts_exhausted")
        assert (result.data.clips, result.data.rejected["processing"]) == (2, 1)
        out = result.save(tmp_path / "data")
        assert verify(out) == []
        lost = next(row for row in Dataset(out).clip_rows if row.clip == clip)
        assert (lost.first_frame, lost.kept) == (12, False)
