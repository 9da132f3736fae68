"""Whether anybody can stop the gateway: latencies and memory of the others while it is attacked.

    python -m bench run service.overload [--seconds 8] [--streams 1000]

Starts a gateway without workers. While one kind of attack runs, another client asks for a small answer every
20 ms; reported are the median, the 99th percentile and the maximum of its latencies in ms, and the largest
resident memory of the gateway with its children in MB. "Quiet" is the same without an attack, in the same
run.

- Keyless JSON: eight clients without a key send 28 MB of JSON each, again and again.
- Bombs: sixty uploads at once of a small MP4 that promises 60 million samples.
- Streams: event streams of a queued job, all open.
- Queue: how many jobs of another tenant, who has queued 2,000, start before a tenant's only one (no workers
  are needed: the ledger decides).
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from bench.report import Report, Table
from service.embedded import Stack
from storage.ledger import Database, fairness, jobs
from storage.ledger.records import Submission
from tests.support.media_files import encode_png, make_gradient, write_clip
from tests.support.stacks import running_stack

PAUSE = 0.02
KEYLESS_CLIENTS, KEYLESS_BYTES = 8, 28_000_000
UPLOADS, PROMISED_SAMPLES = 60, 60_000_000
QUEUED = 2000
MILLISECONDS = dict.fromkeys(("p50 ms", "p99 ms", "max ms"), ".1f")
COLUMNS = {"while": "", "asked for": "", **MILLISECONDS, "memory MB": ".0f"}

Attack = Callable[[], Awaitable[None]]


class Target:
    """A gateway: sends requests as bytes over connections of their own, and reads its memory."""

    def __init__(self, stack: Stack) -> None:
        self._port, self._key = stack.port, stack.api_key
        process = stack.process("gateway").process
        assert process is not None
        self._process = psutil.Process(process.pid)

    def head(self, method: str, path: str, *, key: bool = True, **headers: str | int) -> bytes:
        """The head of a request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
        lines += [f"Authorization: Bearer {self._key}"] if key else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def request(self, head: bytes, body: bytes = b"") -> tuple[int, bytes]:
        """Send one request on a connection that is then closed; its status and answer."""
        reader, writer = await self.open()
        try:
            with suppress(ConnectionError):
                writer.write(head)
                for start in range(0, len(body), 1 << 16):
                    writer.write(body[start : start + (1 << 16)])
                    await writer.drain()
            answer = await reader.read()
            return int(answer.split(b" ", 2)[1]) if answer else 0, answer.partition(b"\r\n\r\n")[2]
        finally:
            writer.close()

    def memory(self) -> float:
        """Resident megabytes of the gateway and its children."""
        total = 0
        for process in (self._process, *self._process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / 1e6


async def measure(
    table: Table, target: Target, name: str, path: str, attack: Attack, seconds: float
) -> float:
    """Add a row for an attack; returns the 99th percentile in ms. The attack is cancelled at the end."""
    running = asyncio.ensure_future(attack())
    await asyncio.sleep(0.5)
    latencies, memory, deadline = [], 0.0, time.monotonic() + seconds
    head = target.head("GET", path, Connection="close")
    while time.monotonic() < deadline:
        started = time.perf_counter()
        status, _ = await target.request(head)
        latencies.append(1e3 * (time.perf_counter() - started))
        if status not in (200, 503):
            raise RuntimeError(f"{path} answered {status}")
        memory = max(memory, target.memory())
        await asyncio.sleep(PAUSE)
    running.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await running
    p50, p99 = np.percentile(latencies, [50, 99]).tolist()
    table.add(name, path, p50, p99, max(latencies), memory)
    return float(p99)


async def attack_all(report: Report, stack: Stack, seconds: float, streams: int, folder: Path) -> None:
    """Measure every attack against one gateway."""
    target = Target(stack)
    table = report.table("Latencies under attack", COLUMNS)
    status_path = f"/v1/jobs/{await _queue_job(target)}"
    bomb = draw_bomb(folder / "bomb.mp4")
    figures, statuses = {}, Counter[int]()
    for path in ("/healthz", "/readyz", status_path):
        await measure(table, target, "quiet", path, _attack_nothing, seconds / 2)
    figures["keyless_healthz_p99_ms"] = await measure(
        table, target, "8 × 28 MB of JSON without a key", "/healthz", lambda: _send_keyless(target), seconds
    )
    for path in ("/readyz", "/v1/jobs"):
        name = "bombs_" + path.rpartition("/")[2] + "_p99_ms"
        figures[name] = await measure(
            table, target, f"{UPLOADS} bombs", path, lambda: _send_bombs(target, bomb, statuses), seconds
        )
    opened = asyncio.Event()
    listening = asyncio.ensure_future(_hold_streams(target, f"{status_path}/events", streams, opened))
    await asyncio.wait_for(opened.wait(), 120)
    figures["streams_status_p99_ms"] = await measure(
        table, target, f"{streams} event streams", status_path, _attack_nothing, seconds
    )
    listening.cancel()
    answers = report.table("What the bombs were answered", {"status": "", "uploads": ""})
    for status, count in sorted(statuses.items()):
        answers.add(status, count)
    report.add(figures)


async def _attack_nothing() -> None:
    """Leave the gateway alone."""


async def _send_keyless(target: Target) -> None:
    kind = {"Content_Type": "application/json", "Connection": "close"}
    head = target.head("POST", "/v1/jobs", key=False, Content_Length=KEYLESS_BYTES, **kind)
    body = b"[" + b"[]," * ((KEYLESS_BYTES - 4) // 3) + b"[]]"

    async def repeat() -> None:
        while True:
            with suppress(ConnectionError):
                await target.request(head, body)

    await asyncio.gather(*(repeat() for _ in range(KEYLESS_CLIENTS)))


async def _send_bombs(target: Target, bomb: bytes, statuses: Counter[int]) -> None:
    head = target.head("POST", "/v1/uploads", Content_Length=len(bomb), Connection="close")
    answers = await asyncio.gather(*(target.request(head, bomb) for _ in range(UPLOADS)))
    statuses.update(status for status, _ in answers)


async def _hold_streams(target: Target, path: str, count: int, opened: asyncio.Event) -> None:
    connections = []
    for _ in range(count):
        reader, writer = await target.open()
        writer.write(target.head("GET", path))
        connections.append((reader, writer))
    try:
        await asyncio.gather(*(reader.read(1 << 10) for reader, _ in connections))
        opened.set()
        await asyncio.Event().wait()
    finally:
        for _, writer in connections:
            writer.close()


def count_starts_before(folder: Path) -> int:
    """How many jobs of a tenant with many queued start before the only one of another."""
    database = Database(f"sqlite:///{folder / 'queue.db'}")
    database.migrate()
    for number in range(QUEUED):
        jobs.submit(database, Submission("many", "segment", "auto", "q", "{}", f"{number}", 900, None))
    row, _ = jobs.submit(database, Submission("one", "segment", "auto", "q", "{}", "0", 900, None))
    starts = 0
    while (job := fairness.claim_next(database, "q", "worker", 600)) is not None and job.id != row.id:
        starts += 1
    database.close()
    return starts


def draw_bomb(path: Path) -> bytes:
    """A small MP4 whose sample tables promise many samples."""
    data = bytearray(write_clip(path, [make_gradient()] * 3, rate=12).read_bytes())
    count = PROMISED_SAMPLES.to_bytes(4, "big")
    sizes, times = data.index(b"stsz") + 4, data.index(b"stts") + 4
    data[sizes + 4 : sizes + 12] = (1).to_bytes(4, "big") + count
    data[times + 8 : times + 12] = count
    return bytes(data)


async def _queue_job(target: Target) -> str:
    image = encode_png(make_gradient())
    head = target.head("POST", "/v1/uploads", Content_Length=len(image), Connection="close")
    _, answer = await target.request(head, image)
    box = {"x0": 2, "y0": 2, "x1": 30, "y1": 30}
    body = json.dumps({"kind": "segment", "image": {"id": json.loads(answer)["id"]}, "boxes": [box]}).encode()
    kind = "application/json"
    head = target.head("POST", "/v1/jobs", Content_Type=kind, Content_Length=len(body), Connection="close")
    status, answer = await target.request(head, body)
    if status != 202:
        raise RuntimeError(f"the job was not accepted: {status} {answer[:200]!r}")
    return str(json.loads(answer)["id"])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds per attack")
    parser.add_argument("--streams", type=int, default=1000)


def run(options: argparse.Namespace, report: Report) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"MAQUETTE_MAX_STREAMS": str(2 * options.streams)}
        with running_stack(folder / "stack", settings, workers=0) as stack:
            asyncio.run(attack_all(report, stack, options.seconds, options.streams, folder))
        starts = count_starts_before(folder)
    report.table("Queue", {"jobs of the other tenant started first": ""}).add(starts)
    report.add({"jobs_started_first": starts})
