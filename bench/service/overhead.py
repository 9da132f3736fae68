"""What the service costs around its engines, side by side with bare applications in one run.

    python -m bench run service.overhead [--requests 150]

Starts the embedded stack and a bare FastAPI application in a temporary folder, and reports each figure with
its aim. CPU is that of the whole process with its threads; for uploads its children count too.
"""

import argparse
import io
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
import skimage
from PIL import Image

from bench.report import Report
from bench.service.bare_application import bare_application
from bench.service.client import Client, Job, as_json
from service.embedded import Stack
from tests.support.stacks import running_stack
from workers.engines.concepts.default import DefaultConcepts

WARM_UP = 100
ROUNDS = 7
# a BMP of 101 MB
UPLOAD_SIZE = (7000, 4800)
FIRST, SECOND = "motorcycle", "bottle"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. Values of at most `aim` meet it, or of at least `aim` where more is better."""

    name: str
    value: float
    unit: str
    aim: float | None = None
    more_is_better: bool = False

    def verdict(self) -> str:
        """Whether the aim is met."""
        if self.aim is None:
            return ""
        met = self.value >= self.aim if self.more_is_better else self.value <= self.aim
        return "met" if met else "NOT MET"

    def describe_aim(self) -> str:
        """The aim for the table."""
        return "" if self.aim is None else f"{'≥' if self.more_is_better else '≤'} {self.aim:g}"


def process_named(stack: Stack, name: str) -> psutil.Process:
    """One process of the stack."""
    process = stack.process(name).process
    assert process is not None
    return psutil.Process(process.pid)


def cpu_seconds(process: psutil.Process, *, with_children: bool = False) -> float:
    """CPU seconds of a process so far."""
    members = [process, *process.children(recursive=True)] if with_children else [process]
    return sum(member.cpu_times().user + member.cpu_times().system for member in members)


def measure_submission(
    gateway: psutil.Process, here: Client, yardstick: psutil.Process, there: Client, count: int
) -> list[Figure]:
    """CPU of a submitted job against an echo of the same body; no worker is running."""
    image = here.upload(_png(_photo("astronaut.png")[:240, :320]))
    body = as_json(_box_request(image))

    def cost(process: psutil.Process, client: Client, path: str, repeats: int) -> float:
        before = cpu_seconds(process)
        for _ in range(repeats):
            client.post(path, body, Content_Type="application/json")
        return (cpu_seconds(process) - before) / repeats * 1e6

    cost(yardstick, there, "/echo", WARM_UP)
    cost(gateway, here, "/v1/jobs", WARM_UP)
    echoes, submits = [], []
    for _ in range(ROUNDS):
        # the clock of processes ticks every 10 ms, so the cheap echo is repeated more often
        echoes.append(cost(yardstick, there, "/echo", count * 5))
        submits.append(cost(gateway, here, "/v1/jobs", count))
    echo, submit = statistics.median(echoes), statistics.median(submits)
    return [
        Figure("bare FastAPI echo", echo, "CPU-µs"),
        Figure("POST /v1/jobs", submit, "CPU-µs"),
        Figure("submit / echo", submit / echo, "×", 10),
    ]


def measure_start(here: Client, count: int = 20) -> list[Figure]:
    """From the job's record to its start on an idle worker."""
    image = here.upload(_png(_photo("coffee.png")[:240, :320]))
    waits = []
    for _ in range(count + 3):
        time.sleep(0.2)
        waits.append(_span(here.finished(_box_request(image)), "created_at", "started_at") * 1e3)
    waits = sorted(waits[3:])
    return [
        Figure("submit → start, p50", statistics.median(waits), "ms", 15),
        Figure("submit → start, p90", waits[int(0.9 * len(waits))], "ms"),
    ]


def measure_uploads(
    gateway: psutil.Process, here: Client, yardstick: psutil.Process, there: Client, repeats: int = 5
) -> list[Figure]:
    """Uploads of a large BMP against a raw body that is hashed and written; new bytes each time."""
    stream = io.BytesIO()
    Image.new("RGB", UPLOAD_SIZE, (90, 120, 60)).save(stream, "BMP")
    data = bytearray(stream.getvalue())
    megabytes = len(data) / 1e6
    octets = {"Content_Type": "application/octet-stream"}
    rates: dict[str, list[float]] = {"cpu": [], "wall": [], "raw_cpu": [], "raw_wall": []}

    def timed(process: psutil.Process, client: Client, path: str, name: str) -> None:
        before, start = cpu_seconds(process, with_children=True), time.perf_counter()
        client.post(path, bytes(data), **octets)
        rates[f"{name}wall"].append(megabytes / (time.perf_counter() - start))
        rates[f"{name}cpu"].append(megabytes / (cpu_seconds(process, with_children=True) - before))

    for number in range(repeats + 1):
        data[-1] = number
        timed(yardstick, there, "/raw", "raw_")
        timed(gateway, here, "/v1/uploads", "")
    middle = {name: statistics.median(values[1:]) for name, values in rates.items()}
    return [
        Figure(f"raw body of {megabytes:.0f} MB", middle["raw_cpu"], "MB/CPU-s"),
        Figure("POST /v1/uploads", middle["cpu"], "MB/CPU-s"),
        Figure("upload / raw, CPU", middle["cpu"] / middle["raw_cpu"], "×", 0.8, more_is_better=True),
        Figure("upload / raw, wall", middle["wall"] / middle["raw_wall"], "×", 0.8, more_is_better=True),
    ]


def measure_phrases(here: Client, repeats: int = 5) -> list[Figure]:
    """A second phrase on an image that is embedded already, and the engine's share of a job."""
    photo = _photo("motorcycle_left.png").copy()
    engine = DefaultConcepts()
    spent: dict[str, list[float]] = {"engine1": [], "engine2": [], "job1": [], "job2": []}
    for number in range(repeats + 1):
        photo[0, 0] = number
        image = here.upload(_png(photo))
        for name, phrase in (("job1", FIRST), ("job2", SECOND)):
            job = here.finished({"kind": "segment", "image": {"id": image}, "text": [phrase]})
            spent[name].append(_span(job, "started_at", "finished_at"))
        start = time.perf_counter()
        engine.ground(engine.embed(photo, str(number)), [FIRST])
        spent["engine1"].append(time.perf_counter() - start)
        start = time.perf_counter()
        engine.ground(engine.embed(photo, str(number)), [SECOND])
        spent["engine2"].append(time.perf_counter() - start)
    middle = {name: statistics.median(values[1:]) * 1e3 for name, values in spent.items()}
    return [
        Figure(f"engine, {FIRST!r} on a new image", middle["engine1"], "ms"),
        Figure(f"engine, then {SECOND!r}", middle["engine2"], "ms"),
        Figure("second / first phrase, engine", middle["engine2"] / middle["engine1"], "×", 0.15),
        Figure(f"job, {FIRST!r} on a new image", middle["job1"], "ms"),
        Figure(f"job, then {SECOND!r}", middle["job2"], "ms"),
        Figure("second / first phrase, job", middle["job2"] / middle["job1"], "×", 0.15),
        Figure("engine's share of the first job", middle["engine1"] / middle["job1"], "×"),
    ]


def measure(folder: Path, requests: int) -> list[Figure]:
    """Every figure, in one run."""
    with (
        running_stack(folder / "stack") as stack,
        bare_application(folder) as (yardstick, there),
    ):
        here = Client(stack.port, stack.api_key)
        gateway = process_named(stack, "gateway")
        figures = measure_start(here) + measure_phrases(here)
        figures += measure_uploads(gateway, here, yardstick, there)
        worker = process_named(stack, "worker")
        worker.terminate()
        worker.wait(30)
        return measure_submission(gateway, here, yardstick, there, requests) + figures


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=150, help="jobs submitted per round")


def run(options: argparse.Namespace, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="maquette-bench-", ignore_cleanup_errors=True) as folder:
        figures = measure(Path(folder), options.requests)
    table = report.table("Overhead", {"figure": "", "value": ".4g", "unit": "", "aim": "", "verdict": ""})
    for figure in figures:
        table.add(figure.name, figure.value, figure.unit, figure.describe_aim(), figure.verdict())
    if report.machine["load average"] > report.machine["cores"]:
        report.note("The machine was busy: times on the wall are too long; CPU figures suffer less.")


def _box_request(image: str) -> Job:
    box = {"x0": 40, "y0": 30, "x1": 220, "y1": 200}
    return {"kind": "segment", "image": {"id": image}, "boxes": [box]}


def _photo(name: str) -> np.ndarray:
    with Image.open(Path(skimage.__file__).parent / "data" / name) as opened:
        return np.array(opened.convert("RGB"))


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _span(job: Job, first: str, last: str) -> float:
    return (datetime.fromisoformat(job[last]) - datetime.fromisoformat(job[first])).total_seconds()
