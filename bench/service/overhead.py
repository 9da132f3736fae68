"""Measures what the service costs around its engines, side by side with bare applications in one run.

    python -m bench run service.overhead [--json FILE] [--requests 150]

It starts the embedded stack and a bare FastAPI application in a temporary folder, and prints each figure
with its aim. CPU is that of the whole process with its threads; for uploads its children count too.
"""

import argparse
import hashlib
import http.client
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import skimage
from fastapi import FastAPI, Request
from PIL import Image

# the script's own folder would hide the package `service` behind this file
from service.embedded import HOST, Stack, free_port
from workers.engines.concepts.default import DefaultConcepts

ROOT = Path(__file__).resolve().parents[2]
WARM_UP = 100
ROUNDS = 7
UPLOAD_SIZE = (7000, 4800)
SINK = "BENCH_SINK"
FIRST, SECOND = "motorcycle", "bottle"
Job = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; `best` is the aim, met from below unless `more` is better; None has no aim."""

    name: str
    value: float
    unit: str
    best: float | None = None
    more: bool = False

    def verdict(self) -> str:
        """Whether the aim is met."""
        if self.best is None:
            return ""
        return "met" if (self.value >= self.best if self.more else self.value <= self.best) else "NOT MET"

    def aim(self) -> str:
        """The aim as a person reads it."""
        return "" if self.best is None else f"{'≥' if self.more else '≤'} {self.best:g}"


def bare_app() -> FastAPI:
    """The yardstick: an echo of JSON, and a body that is hashed and written to a file."""
    app = FastAPI()
    sink = Path(os.environ[SINK])

    @app.post("/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, str]:
        digest = hashlib.sha256()
        with sink.open("wb") as out:
            async for chunk in request.stream():
                digest.update(chunk)
                out.write(chunk)
        return {"sha256": digest.hexdigest()}

    return app


class Client:
    """One kept-alive connection, so that the client's own cost stays out of the figures."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=120)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def post(self, path: str, body: bytes, **headers: str) -> Job:
        """Post bytes and read the JSON answer; raises RuntimeError for a problem."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("POST", path, body, {**self._headers, **named})
        answer = self._connection.getresponse()
        read = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"POST {path}: {answer.status} {read.decode(errors='replace')}")
        told: Job = json.loads(read)
        return told

    def upload(self, data: bytes) -> str:
        """Upload a medium and give its id."""
        return str(self.post("/v1/uploads", data, Content_Type="application/octet-stream")["id"])

    def finished(self, request: Job) -> Job:
        """Submit a job and wait for its end."""
        job = self.post("/v1/jobs", _json(request), Content_Type="application/json", Prefer="wait=60")
        if job["state"] != "succeeded":
            raise RuntimeError(f"job {job['id']} is {job['state']}: {job.get('problem')}")
        return job


@contextmanager
def bare(folder: Path) -> Iterator[tuple[psutil.Process, Client]]:
    """The bare application in a process of its own, started as the gateway is."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "uvicorn", "--factory", "bench.service:bare_app", "--host", HOST),
        *("--port", str(port), "--log-level", "warning", "--no-access-log"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, SINK: str(folder / "sink")})
    try:
        _until(lambda: Client(port).post("/echo", b"{}", Content_Type="application/json"))
        yield psutil.Process(process.pid), Client(port)
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def embedded(folder: Path) -> Iterator[Stack]:
    """The embedded stack in a folder."""
    stack = Stack(folder / "stack", free_port())
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def part(stack: Stack, name: str) -> psutil.Process:
    """One process of the stack."""
    found = next(part.process for part in stack.processes if part.name == name)
    assert found is not None
    return psutil.Process(found.pid)


def cpu(process: psutil.Process, *, family: bool = False) -> float:
    """CPU seconds of a process so far; with `family`, of its children too."""
    members = [process, *process.children(recursive=True)] if family else [process]
    return sum(member.cpu_times().user + member.cpu_times().system for member in members)


def submit_cpu(
    gateway: psutil.Process, here: Client, yardstick: psutil.Process, there: Client, count: int
) -> list[Figure]:
    """CPU of a submitted job against an echo of the same body; no worker is running."""
    image = here.upload(_png(_photo("astronaut.png")[:240, :320]))
    body = _json(_boxed(image))

    def cost(process: psutil.Process, client: Client, path: str, repeats: int) -> float:
        before = cpu(process)
        for _ in range(repeats):
            client.post(path, body, Content_Type="application/json")
        return (cpu(process) - before) / repeats * 1e6

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


def submit_to_start(here: Client, count: int = 20) -> list[Figure]:
    """From the job's record to its start on an idle worker."""
    image = here.upload(_png(_photo("coffee.png")[:240, :320]))
    waits = []
    for _ in range(count + 3):
        time.sleep(0.2)
        waits.append(_span(here.finished(_boxed(image)), "created_at", "started_at") * 1e3)
    waits = sorted(waits[3:])
    return [
        Figure("submit → start, p50", statistics.median(waits), "ms", 15),
        Figure("submit → start, p90", waits[int(0.9 * len(waits))], "ms"),
    ]


def uploading(
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
        before, start = cpu(process, family=True), time.perf_counter()
        client.post(path, bytes(data), **octets)
        rates[f"{name}wall"].append(megabytes / (time.perf_counter() - start))
        rates[f"{name}cpu"].append(megabytes / (cpu(process, family=True) - before))

    for number in range(repeats + 1):
        data[-1] = number
        timed(yardstick, there, "/raw", "raw_")
        timed(gateway, here, "/v1/uploads", "")
    middle = {name: statistics.median(values[1:]) for name, values in rates.items()}
    return [
        Figure(f"raw body of {megabytes:.0f} MB", middle["raw_cpu"], "MB/CPU-s"),
        Figure("POST /v1/uploads", middle["cpu"], "MB/CPU-s"),
        Figure("upload / raw, CPU", middle["cpu"] / middle["raw_cpu"], "×", 0.8, more=True),
        Figure("upload / raw, wall", middle["wall"] / middle["raw_wall"], "×", 0.8, more=True),
    ]


def phrases(here: Client, repeats: int = 5) -> list[Figure]:
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
    with embedded(folder) as stack, bare(folder) as (yardstick, there):
        here = Client(stack.port, stack.api_key)
        gateway = part(stack, "gateway")
        figures = submit_to_start(here) + phrases(here)
        figures += uploading(gateway, here, yardstick, there)
        worker = part(stack, "worker")
        worker.terminate()
        worker.wait(30)
        return submit_cpu(gateway, here, yardstick, there, requests) + figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--requests", type=int, default=150, help="jobs submitted in a round")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="maquette-bench-"))
    try:
        figures = measure(folder, given.requests)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'figure':36}{'value':>10} {'unit':10}{'aim':8}verdict")
    for figure in figures:
        value = f"{figure.value:10.3g}" if figure.value < 10 else f"{figure.value:10.0f}"
        print(f"{figure.name:36}{value} {figure.unit:10}{figure.aim():8}{figure.verdict()}")
    cores = os.cpu_count() or 1
    print(f"{cores} cores, load average {load:.1f} before the run")
    if load > cores:
        print("the machine was busy: times on the wall are too long; CPU figures suffer less")
    if given.json:
        told = [{**asdict(figure), "verdict": figure.verdict()} for figure in figures]
        given.json.write_text(json.dumps({"load": load, "cores": cores, "figures": told}, indent=1) + "\n")


def _boxed(image: str) -> Job:
    box = {"x0": 40, "y0": 30, "x1": 220, "y1": 200}
    return {"kind": "segment", "image": {"id": image}, "boxes": [box]}


def _photo(name: str) -> np.ndarray:
    with Image.open(Path(skimage.__file__).parent / "data" / name) as opened:
        return np.array(opened.convert("RGB"))


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _json(data: Job) -> bytes:
    return json.dumps(data).encode()


def _span(job: Job, first: str, last: str) -> float:
    return (datetime.fromisoformat(job[last]) - datetime.fromisoformat(job[first])).total_seconds()


def _until(call: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            call()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    main()
