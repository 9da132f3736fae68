"""Parts of the stack are killed while a dataset is made: it comes out once, and the same.

MAQUETTE_CHAOS_ROUNDS sets how often each part is killed at a random time.
"""

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data
from maquette import Maquette
from maquette.handles import Job
from maquette.results import DatasetResult
from PIL import Image

from service.embedded import Stack, free_port
from tests.chaos.conftest import QUICK
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("MAQUETTE_CHAOS_ROUNDS", "1"))
FRAMES = 36


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A motorcycle that drives along, three seconds of it."""
    path = tmp_path_factory.mktemp("video") / "ride.mp4"
    source = Path(skimage.data.__file__).parent / "motorcycle_left.png"
    picture = np.asarray(Image.open(source).convert("RGB").resize((240, 160)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 240, 160, "yuv420p"
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, index, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def shaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two workers that share the clips of a job."""
    stack = Stack(tmp_path_factory.mktemp("shaky"), free_port(), settings=QUICK, workers=2)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def start(client: Maquette, video: Path) -> Job[DatasetResult]:
    return client.dataset([video], "motorcycle", clip_seconds=1.0, min_clip_seconds=0.5, size=192)


@pytest.fixture(scope="module")
def undisturbed(shaky: Stack, video: Path) -> tuple[str, float]:
    """The version of a run that nobody disturbs, and how long it took."""
    with Maquette(shaky.url, api_key=shaky.api_key) as mq:
        begun = time.monotonic()
        result = start(mq, video).wait(timeout=180)
        return result.data.version, time.monotonic() - begun


def until(stack: Stack, true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        stack.restart_dead()
        time.sleep(0.05)


def kill(stack: Stack, name: str) -> None:
    process = stack.process(name).process
    assert process is not None
    if name.startswith("worker"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait(30)


def state_of(job: Job[DatasetResult]) -> str | None:
    try:
        return job.refresh().state
    except Exception:
        return None


@pytest.mark.parametrize("part", ["worker", "gateway", "queue"])
@pytest.mark.parametrize("number", range(ROUNDS))
def test_one_version_comes_out_whoever_is_killed_and_when(
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
    # the first round is in the middle, so that there is something to go on from
    share = 0.6 if number == 0 else random.Random(f"{part} {number}").uniform(0.0, 1.0)
    time.sleep(share * seconds)
    kill(shaky, "worker-2" if part == "worker" and number % 2 else part)
    until(shaky, lambda: state_of(job) == "succeeded", 120)
    result = job.wait(timeout=10)
    assert result.data.version == version
    assert [event.data.get("state") for event in job.events()].count("succeeded") == 1
    if number == 0:
        assert verify(result.save(tmp_path / "data")) == []


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Stack]:
    """One worker, so that nothing else dies with it."""
    stack = Stack(tmp_path / "alone", free_port(), settings=QUICK, workers=1)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def attempts(stack: Stack, first: int) -> set[int]:
    """The attempt that a worker makes now at the clip that begins with a frame."""
    with closing(sqlite3.connect(stack.folder / "ledger.db", timeout=30)) as ledger:
        rows = ledger.execute(
            "SELECT request, attempt FROM jobs WHERE kind = 'dataset.clips' AND state = 'running'"
        ).fetchall()
    return {attempt for request, attempt in rows if json.loads(request)["plan"]["first"] == first}


def test_a_clip_that_kills_whoever_takes_it_is_left_out_and_the_others_are_not(
    alone: Stack, video: Path, tmp_path: Path
) -> None:
    with Maquette(alone.url, api_key=alone.api_key, retries=8) as mq:
        job = start(mq, video)
        killed: set[int] = set()
        deadline = time.monotonic() + 240
        while state_of(job) not in ("succeeded", "failed"):
            assert time.monotonic() < deadline, "it never came to an end"
            alone.restart_dead()
            if now := attempts(alone, 12) - killed:
                kill(alone, "worker")
                killed |= now
            time.sleep(0.02)
        result = job.wait(timeout=10)
        assert killed == {1, 2, 3}
        assert "clips_failed" in result.flags
        [(clip, told)] = result.data.failed.items()
        assert told.startswith("attempts_exhausted")
        assert (result.data.clips, result.data.rejected["processing"]) == (2, 1)
        out = result.save(tmp_path / "data")
        assert verify(out) == []
        lost = next(row for row in Dataset(out).clip_rows if row.clip == clip)
        assert (lost.first_frame, lost.kept) == (12, False)
