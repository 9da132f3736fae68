"""Segment jobs that share batches against one at a time, on an engine with the costs of a GPU.

The engine is a fake: every launch takes a fixed time and each item some more, one launch at a time. All else
is the worker's own: ledger, decoders, overlays, commits. No GPU is needed, and none is measured.

1. A backlog gives jobs per second of both, and the engine's busy share with batches.
2. One at a time gets jobs at 0.9 of its own rate: the p95 of its latencies is the bound.
3. With batches, jobs arrive at multiples of that rate; the largest whose p95 stays within the bound counts.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from maquette.contract import MediaRef, SegmentJob

from bench.report import Report
from media.sandbox import Sandbox
from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, files, jobs
from tests.support.fake_gpu_engine import FakeGpuEngine
from tests.support.media_files import encode_png
from workers.engines.protocols import ConceptEngine
from workers.engines.registry import EngineSet
from workers.pipeline import PipelineSettings
from workers.runner import Runner
from workers.settings import WorkerSettings

TENANT, SIZE = "bench", (240, 320)
# of the rate of one at a time: where an operator adds a worker
LOAD = 0.9
MULTIPLES = (2.0, 2.5, 3.0, 3.5, 4.0, 4.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one worker did: jobs per second, latencies in seconds, and the engine's busy share."""

    rate: float
    p50: float
    p95: float
    busy: float
    mean_batch: float


class Worker:
    """One worker process in a thread, with a ledger and a store of its own."""

    def __init__(self, folder: Path, engine: ConceptEngine, pipeline: PipelineSettings, images: int) -> None:
        self.db = Database(f"sqlite:///{folder / 'ledger.db'}")
        self.db.migrate()
        self._store = LocalStore(folder / "store")
        self._sandbox = Sandbox()
        self.runner = Runner(
            self.db,
            self._store,
            EngineSet("default", {"concepts": engine}),
            self._sandbox,
            WorkerSettings(worker_id="bench", pipeline=pipeline),
        )
        self._images = list(self._store_images(images))
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _store_images(self, count: int) -> Iterator[str]:
        rng = np.random.default_rng(0)
        for _ in range(count):
            coarse = rng.integers(0, 255, (6, 8, 3), np.uint8)
            sha256 = self._store.put(encode_png(coarse.repeat(40, axis=0).repeat(40, axis=1)))
            files.add_media(
                self.db, TENANT, sha256, {**self._sandbox.probe(self._store.path(sha256)), "bytes": 1}
            )
            yield sha256

    def submit(self, number: int) -> str:
        """Queue a job about an image of its own."""
        sha256 = self._images[number]
        body = SegmentJob(image=MediaRef(id=sha256), text=["cat"]).model_dump_json()
        row = Submission(TENANT, "segment", "auto", "default", body, str(number), 900, subject=sha256)
        return jobs.submit(self.db, row)[0].id

    def start(self) -> None:
        self._thread.start()

    def _work(self) -> None:
        """What Celery does: one message after the other."""
        while not self._ends.is_set():
            self.runner.run("any", "message")
            self._ends.wait(0.002)

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self.runner.close()
        self._sandbox.close()
        self.db.close()


@contextmanager
def open_worker(engine: ConceptEngine, pipeline: PipelineSettings, images: int) -> Iterator[Worker]:
    """A worker with that engine and so many images, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(Path(folder), engine, pipeline, images)
        try:
            yield worker
        finally:
            worker.close()


def measure(options: argparse.Namespace, count: int, total: int, rate: float | None = None) -> Run:
    """Run `total` jobs that arrive at `rate` per second, or that all wait from the start."""
    engine = FakeGpuEngine(launch_seconds=options.launch_ms / 1000, item_seconds=options.item_ms / 1000)
    pipeline = PipelineSettings(jobs=count, batch=options.batch, wait_ms=options.wait_ms)
    with open_worker(engine, pipeline, total) as worker:
        if rate is None:
            ids = [worker.submit(number) for number in range(total)]
            worker.start()
            start = time.monotonic()
        else:
            worker.start()
            start, ids = time.monotonic(), []
            gaps = np.random.default_rng(1).exponential(1 / rate, total).cumsum()
            for number, due in enumerate(gaps):
                time.sleep(max(0.0, start + due - time.monotonic()))
                ids.append(worker.submit(number))
        rows = wait_for_all(worker.db, ids)
        seconds = time.monotonic() - start
    latencies = [row.finished_at - row.created_at for row in rows if row.finished_at is not None]
    sizes = [size for operation, size in engine.batches if operation == "embed"]
    return Run(
        rate=total / seconds,
        p50=float(np.quantile(latencies, 0.5)),
        p95=float(np.quantile(latencies, 0.95)),
        busy=engine.busy_seconds / seconds,
        mean_batch=float(np.mean(sizes)),
    )


def wait_for_all(db: Database, ids: list[str]) -> list[jobs.JobRow]:
    """The rows of jobs once all have ended; raises RuntimeError for one that failed."""
    while jobs.count_by_state(db).get(("default", "succeeded"), 0) < len(ids):
        time.sleep(0.02)
        if ("default", "failed") in jobs.count_by_state(db):
            raise RuntimeError("a job failed")
    return [row for row in (jobs.get(db, TENANT, job_id) for job_id in ids) if row is not None]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=24, help="jobs at once, with batches: a worker's default")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--wait-ms", type=float, default=10)
    parser.add_argument("--launch-ms", type=float, default=300, help="fixed time of a launch")
    parser.add_argument("--item-ms", type=float, default=25, help="further time of each image in it")
    parser.add_argument("--seconds", type=float, default=25, help="about how long each run takes")


def run(options: argparse.Namespace, report: Report) -> None:
    columns = {
        "jobs at once": "",
        "arrivals/s": ".1f",
        "jobs/s": ".2f",
        "p50 s": ".2f",
        "p95 s": ".2f",
        "busy share": ".3f",
        "mean batch": ".1f",
    }
    table = report.table("Jobs that wait from the start, and jobs that arrive at random", columns)
    one_job = 2 * (options.launch_ms + options.item_ms) / 1000

    def measure_and_add(count: int, total: int, rate: float | None = None) -> Run:
        done = measure(options, count, total, rate)
        table.add(count, rate, done.rate, done.p50, done.p95, done.busy, done.mean_batch)
        return done

    backlog = max(8, int(options.seconds / one_job))
    alone = measure_and_add(1, backlog)
    together = measure_and_add(options.jobs, 4 * backlog)
    rate = LOAD * alone.rate
    bound = measure_and_add(1, max(8, int(rate * options.seconds)), rate)
    best, busy = 0.0, 0.0
    for multiple in MULTIPLES:
        arriving = multiple * rate
        done = measure_and_add(options.jobs, max(16, int(arriving * options.seconds)), arriving)
        if done.p95 > bound.p95:
            break
        best, busy = multiple, done.busy
    report.add(
        {
            "jobs/s with a backlog, ratio": together.rate / alone.rate,
            "busy share with a backlog": together.busy,
            "busy share, one at a time": alone.busy,
            "p95 of one at a time at 0.9 of its rate, s": bound.p95,
            "jobs/s within that p95, ratio": best,
            "busy share at that rate": busy,
        }
    )
