"""A worker of an engine of its own beside an embedded stack, as a GPU image runs it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from maquette import Maquette

from service.embedded import Stack

READY_SECONDS = 90.0


@contextmanager
def connected_worker(stack: Stack, engine: str, settings: Mapping[str, str]) -> Iterator[None]:
    """A worker of `engine` on the queue of that name, which the gateway lists, until the block ends."""
    own = {k: v for k, v in stack.process("worker").environment.items() if k.startswith("MAQUETTE_")}
    own |= {"MAQUETTE_WORKER_ENGINES": engine, "MAQUETTE_WORKER_QUEUE": engine, "OMP_NUM_THREADS": "1"}
    command = (
        *(sys.executable, "-m", "celery", "-A", "workers.main", "worker", "--queues", engine),
        *("--concurrency", "1", "--hostname", f"{engine}@%h", "--without-gossip", "--without-mingle"),
    )
    worker = subprocess.Popen(command, env={**os.environ, **own, **settings})
    try:
        with Maquette(stack.url, api_key=stack.api_key) as mq:
            deadline = time.monotonic() + READY_SECONDS
            while not any(each.name == engine and each.available for each in mq.engines()):
                assert time.monotonic() < deadline, f"the worker of {engine} never became ready"
                time.sleep(0.3)
        # the gateway looks the workers up every two seconds
        time.sleep(2.5)
        yield
    finally:
        worker.terminate()
        worker.wait(30)
