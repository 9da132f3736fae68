"""A worker that runs several jobs at once is killed in the middle: each job still ends once."""

import signal
from collections.abc import Iterator

import numpy as np
import pytest
import redis
from maquette import Maquette

from service.embedded import Stack
from tests.support.faults import kill, pool_child, read_state, succeeded_once, wait_until
from tests.support.scenes import make_wall
from tests.support.stacks import QUICK, running_stack

JOBS = 4
# alone one after the other, on a busy machine
SECONDS = 300


@pytest.fixture(scope="module")
def sharing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose worker runs several jobs at once."""
    settings = {**QUICK, "MAQUETTE_PIPELINE_JOBS": "4"}
    with running_stack(tmp_path_factory.mktemp("sharing"), settings) as stack:
        yield stack


@pytest.mark.parametrize("victim", ["worker", "child"])
def test_jobs_of_a_killed_process_run_again_and_end_once(sharing: Stack, victim: str) -> None:
    with Maquette(sharing.url, api_key=sharing.api_key, retries=8) as client:
        shift = 20 if victim == "child" else 0
        images = [np.roll(make_wall(), 7 * n + shift, axis=1) for n in range(JOBS)]
        jobs = [client.segment(image, boxes=[(50, 50, 150, 150)]) for image in images]

        def several_run() -> bool:
            return [read_state(job) for job in jobs].count("running") >= 2

        wait_until(sharing, several_run)
        if victim == "worker":
            kill(sharing, "worker", group=True)
        else:
            pool_child(sharing).kill()
        wait_until(sharing, lambda: all(read_state(job) == "succeeded" for job in jobs), SECONDS)
        assert all(succeeded_once(job) for job in jobs)
        attempts = [job.data.attempt for job in jobs]
        assert max(attempts) == 2 and attempts.count(2) >= 2


def test_a_terminated_process_hands_all_jobs_back(sharing: Stack) -> None:
    with Maquette(sharing.url, api_key=sharing.api_key, retries=8) as client:
        images = [np.roll(make_wall(), 11 * n + 5, axis=0) for n in range(JOBS)]
        jobs = [client.segment(image, boxes=[(50, 50, 150, 150)]) for image in images]
        wait_until(sharing, lambda: [read_state(job) for job in jobs].count("running") >= 2)
        kill(sharing, "worker", signal.SIGTERM)
        wait_until(sharing, lambda: all(read_state(job) == "succeeded" for job in jobs), SECONDS)
        assert all(succeeded_once(job) for job in jobs)
        reasons = [event.data.get("reason") for job in jobs for event in job.events()]
        assert reasons.count("handed_back") >= 1 and "worker_lost" not in reasons


def test_messages_do_not_pile_up(sharing: Stack) -> None:
    with Maquette(sharing.url, api_key=sharing.api_key, retries=8) as client:
        jobs = [
            client.segment(make_wall(), boxes=[(50, 50, 150, 150)], seed=100 + n) for n in range(3 * JOBS)
        ]
        wait_until(sharing, lambda: all(read_state(job) == "succeeded" for job in jobs), SECONDS)
        url = sharing.process("worker").environment["MAQUETTE_BROKER_URL"]
        with redis.Redis.from_url(url) as queue:
            wait_until(sharing, lambda: queue.llen("default") == 0, 20)
