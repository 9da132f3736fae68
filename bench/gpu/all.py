"""Everything that only a GPU can say, in six minutes, and the page docs/gpu.md from it.

SAM 3 of random weights: images per second of a plain transformers loop, of the engine one at a time, of jobs
that share batches, of complete jobs of a worker, and of LitServe with the same model where it is installed;
then the benches of phrases, videos, rasterisers and precision. What finds no time is marked as not run.
Without a GPU it ends at once and leaves the page as it is.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from bench.concepts.sam3_random_weights import random_engine
from bench.gpu import litserve_peer
from bench.gpu.images import make_images, measure_jobs, measure_loop, run_plainly
from bench.gpu.page import PAGE, Section, write_page
from bench.report import Report
from bench.service.batching import open_worker, wait_for_all
from service.stack_process import free_port
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.gpu_support import GpuUnusable, check_gpu
from workers.pipeline import PipelineSettings

BATCHES = (1, 4, 8, 16)
JOBS = 16
# of the profiles, those that need no compilation
PRECISIONS = ("exact", "exact, TF32", "fast", "whole model in bfloat16")
# further benches, and the seconds that each may take
OTHERS: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("concepts.sam3_phrases", 45, ("--size", "{size}", "--device", "{device}")),
    ("concepts.sam3_batch", 60, ("--size", "{size}", "--device", "{device}", "--frames", "16")),
    ("objects.rasterisers", 45, ()),
    (
        "concepts.sam3_profiles",
        60,
        ("--size", "{size}", "--device", "{device}", "--images", "2", "--repeat", "1", "--only", *PRECISIONS),
    ),
)
# how often the lengths of --each a section of images, of jobs and of LitServe takes, starts included
IMAGES_TAKE, WORKER_TAKES, LITSERVE_TAKES = 7, 3, 4


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", choices=["tiny", "full"], default="full")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--dtype", default="float32", help="of the weights; on a GPU under autocast")
    parser.add_argument("--seconds", type=float, default=360, help="for everything")
    parser.add_argument("--each", type=float, default=8, help="seconds of each measurement of images")
    parser.add_argument("--page", type=Path, help=f"write the page here, for example {PAGE.name}")
    parser.add_argument("--only-images", action="store_true", help="leave out LitServe and further benches")


def run(options: argparse.Namespace, report: Report) -> None:
    deadline = time.monotonic() + options.seconds
    if options.device == "cuda":
        try:
            check_gpu(torch)
        except GpuUnusable as error:
            raise SystemExit(f"{error}; --size tiny --device cpu tries this bench without a GPU") from None
    text = write_page(describe(options), measure_all(options, deadline))
    report.note(text)
    if options.page is not None:
        options.page.write_text(text, encoding="utf-8")


def measure_all(options: argparse.Namespace, deadline: float) -> list[Section]:
    """Every section in turn; one that fails or finds no time says so, and the next goes on."""
    engine = random_engine(options)
    parts: list[tuple[str, float, Callable[[], Section]]] = [
        (TITLES[0], IMAGES_TAKE * options.each, lambda: measure_images(engine, options)),
        (TITLES[1], WORKER_TAKES * options.each, lambda: measure_worker(engine, options)),
    ]
    left_out = "left out by --only-images"
    if not options.only_images:
        left_out = ""
        parts.append((TITLES[2], LITSERVE_TAKES * options.each, lambda: measure_litserve(options, deadline)))
        parts += [
            (TITLES[3 + number], 0, lambda each=each: run_other(each, options, deadline))  # type: ignore[misc]
            for number, each in enumerate(OTHERS)
        ]
    sections = []
    for title, takes, measure in parts:
        if time.monotonic() + takes > deadline:
            sections.append(Section(title, not_run="no time was left"))
            continue
        try:
            sections.append(measure())
        except (RuntimeError, OSError, ValueError) as error:
            sections.append(Section(title, not_run=f"{type(error).__name__}: {str(error).splitlines()[0]}"))
    return sections + [Section(title, not_run=left_out) for title in TITLES[len(sections) :]]


TITLES = (
    "Images per second",
    "Complete jobs of one worker",
    "LitServe with the same model",
    *(f"`{name}`" for name, _, _ in OTHERS),
)


def measure_images(engine: Sam3Concepts, options: argparse.Namespace) -> Section:
    images, device, each = make_images(), options.device, options.each

    def embed_and_ground(number: int) -> None:
        handle = engine.embed(images[number % len(images)], f"single-{number}")
        engine.ground(handle, ["cat"])

    plain = measure_loop(lambda n: run_plainly(engine, images[n % len(images)]), each, device)
    rates = [("plain transformers loop", plain)]
    rates.append(("engine, one at a time", measure_loop(embed_and_ground, each, device)))
    for batch in BATCHES:
        rates.append((f"{JOBS} jobs, batches of {batch}", measure_jobs(engine, batch, JOBS, each, device)))
    return Section(
        TITLES[0],
        text="One phrase on each image of 640 × 480; every image is new.",
        columns=("how", "images/s", "ratio", "peak MB of the GPU"),
        rows=[
            (name, rate.per_second, rate.per_second / plain.per_second, rate.peak_mb) for name, rate in rates
        ],
    )


def measure_worker(engine: Sam3Concepts, options: argparse.Namespace) -> Section:
    rows: list[tuple[Any, ...]] = []
    for jobs, batch in ((1, 1), (JOBS, 8)):
        total = 8
        while True:
            with open_worker(engine, PipelineSettings(jobs=jobs, batch=batch), total) as worker:
                ids = [worker.submit(number) for number in range(total)]
                worker.start()
                start = time.monotonic()
                wait_for_all(worker.db, ids)
                elapsed = time.monotonic() - start
                busy = worker.runner.stats.busy_seconds / elapsed if jobs > 1 else None
            if elapsed > options.each / 2 or total >= 512:
                break
            total *= 4
        rows.append((jobs, batch, total / elapsed, rows[0][2] if rows else total / elapsed, busy))
    return Section(
        TITLES[1],
        text="From the queue to the commit, on SQLite: decoding, overlay and manifest included.",
        columns=("jobs at once", "batch", "jobs/s", "ratio", "busy share"),
        rows=[(jobs, batch, rate, rate / first, busy) for jobs, batch, rate, first, busy in rows],
    )


def measure_litserve(options: argparse.Namespace, deadline: float) -> Section:
    if not litserve_peer.is_installed():
        return Section(TITLES[2], not_run="litserve is not installed (`pip install litserve`)")
    rows = [
        (batch, litserve_peer.measure(options, batch, JOBS, options.each, free_port(), deadline))
        for batch in (1, 8)
    ]
    return Section(
        TITLES[2],
        text="Images by HTTP as PNG, decoded in its server; compare with complete jobs above.",
        columns=("batch", "images/s"),
        rows=rows,
    )


def run_other(
    bench: tuple[str, float, tuple[str, ...]], options: argparse.Namespace, deadline: float
) -> Section:
    name, seconds, given = bench
    arguments = [each.format(size=options.size, device=options.device) for each in given]
    limit = min(seconds, deadline - time.monotonic())
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench", "run", name, *arguments, "--out", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return Section(f"`{name}`", not_run=f"it took longer than {limit:.0f} s")
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return Section(f"`{name}`", not_run=last[:200])
        body = (Path(folder) / f"{name}.md").read_text(encoding="utf-8")
    # its own title is the section's
    return Section(f"`{name}`", text=body.partition("\n")[2].strip())


def describe(options: argparse.Namespace) -> dict[str, Any]:
    """The machine and what ran on it."""
    card = torch.cuda.is_available() and options.device == "cuda"
    return {
        "GPU": torch.cuda.get_device_name() if card else None,
        "memory of the GPU, GB": torch.cuda.get_device_properties(0).total_memory / 1e9 if card else None,
        "CUDA of torch": torch.version.cuda,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "Python": platform.python_version(),
        "model": f"SAM 3, {options.size}, random weights, {options.dtype}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
