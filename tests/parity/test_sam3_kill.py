"""A SAM 3 worker is killed in the middle of a video: it resumes from its last chunk, bit for bit."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="SAM 3 needs torch (extra sam3)")
pytest.importorskip("transformers", reason="SAM 3 needs transformers (extra sam3)")

from maquette import Maquette
from maquette.handles import AnyJob

from service.embedded import Stack
from tests.parity.sam3_runs import SEED
from tests.parity.sam3_tiny import tiny_model
from tests.support.faults import (
    is_past_frame,
    kill,
    read_masks,
    resumed_frames,
    succeeded_once,
    wait_for_success,
    wait_until,
)
from tests.support.scenes import write_ball_video
from tests.support.stacks import QUICK, running_stack
from workers.engines.concepts.sam3.tokenizer import load_open_clip_tokenizer
from workers.geometry.boxes import bounding_box

FRAMES, CHUNK, KILLED_AT = 110, 48, 60
# every detection of the first frame starts a track, and no later one
FEW = {"score_threshold_detection": 0.05, "new_det_thresh": 0.05, "assoc_iou_thresh": 0.0}
COMMAND = (
    *("-m", "celery", "-A", "workers.main", "worker", "--queues", "sam3", "--concurrency", "1"),
    *("--hostname", "sam3@%h", "--without-gossip", "--without-mingle"),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that notices lost workers soon, with a SAM 3 worker beside the default one."""
    weights = tmp_path_factory.mktemp("weights")
    tiny_model(SEED, **FEW).save_pretrained(weights)
    load_open_clip_tokenizer()._tokenizer.save_pretrained(weights)
    own = {
        "MAQUETTE_WORKER_ENGINES": "sam3",
        "MAQUETTE_WORKER_QUEUE": "sam3",
        "MAQUETTE_SAM3_PATH": str(weights),
        "OMP_NUM_THREADS": "1",
    }
    with running_stack(tmp_path_factory.mktemp("stack"), QUICK) as running:
        variables = {**running.process("worker").environment, **own}
        running._start_process("sam3", [sys.executable, *COMMAND], variables)
        with Maquette(running.url, api_key=running.api_key) as mq:
            wait_until(running, lambda: any(e.name == "sam3" and e.available for e in mq.engines()), 90)
        # the gateway looks the workers up every two seconds
        time.sleep(2.5)
        yield running


def track(mq: Maquette, video: Path, box: tuple[float, ...]) -> AnyJob:
    """A phrase and a box, and after the frame of the kill a correction and a second object."""
    late = [
        {"frame": 70, "object": 1, "points": [(box[0] + 4, box[1] + 4, 0)]},
        {"frame": 80, "box": box},
    ]
    return mq.track(video, text="ball", boxes=[box], prompts=late, engine="sam3")


def test_a_killed_sam3_worker_resumes_from_its_last_chunk(stack: Stack, tmp_path: Path) -> None:
    video = tmp_path / "ball.mp4"
    box = bounding_box(write_ball_video(video, FRAMES)[0])
    with Maquette(stack.url, api_key=stack.api_key, retries=8) as mq:
        undisturbed = track(mq, video, box)
        expected = read_masks(undisturbed)
        ids = sorted(each.id for each in undisturbed.wait(timeout=60).tracks)
        assert len(expected) >= FRAMES // CHUNK and {1, 2} <= set(ids)
        job = track(mq, video, box)
        wait_until(stack, is_past_frame(job, KILLED_AT))
        kill(stack, "sam3", group=True)
        wait_for_success(stack, job)
        assert read_masks(job) == expected
        assert sorted(each.id for each in job.wait(timeout=60).tracks) == ids
        assert job.data.attempt == 2 and succeeded_once(job)
        assert min(resumed_frames(job)) > CHUNK
