"""`maquette-server gpu-workers`: one worker for each GPU of this machine, started and stopped together."""

import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer

from storage import environment

log = logging.getLogger(__name__)
# a worker that ends is started again after this long: its GPU may need a moment, or be gone for good
RESTART_SECONDS = 5.0
# how long workers may take to hand their jobs back; longer than their own grace
STOP_SECONDS = 55.0
_DEVICE = re.compile(r"^(\s*)(GPU|MIG)\b.*\(UUID: ([^)]+)\)", re.MULTILINE)


class NoGpu(RuntimeError):
    """This machine shows no GPU; the message says how it was looked for."""


@dataclass(slots=True)
class GpuWorker:
    """The worker of one GPU: its number here, the GPU's id for CUDA, and the command that runs it."""

    number: int
    device: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = field(default=-RESTART_SECONDS)

    def start(self) -> None:
        """Start it with its GPU as the only one that it sees, under a name of its own."""
        host = socket.gethostname()
        own = {
            "CUDA_VISIBLE_DEVICES": self.device,
            "MAQUETTE_WORKER_ID": f"{host}-gpu{self.number}",
        }
        # the health check of images asks the worker of the first GPU, by Celery's own default name
        name = "celery" if self.number == 0 else f"gpu{self.number}"
        command = [*self.command, "--hostname", f"{name}@{host}"]
        self.process = subprocess.Popen(command, env={**environment.inherit(), **own})
        log.info("worker gpu%d (%s) has started as process %d", self.number, self.device, self.process.pid)

    def tend(self) -> None:
        """Start it again when it has ended some time ago."""
        if self.process is not None and self.process.poll() is not None:
            log.warning("worker gpu%d has ended (%s)", self.number, self.process.returncode)
            self.process, self.ended_at = None, time.monotonic()
        if self.process is None and time.monotonic() - self.ended_at >= RESTART_SECONDS:
            self.start()

    def stop(self, deadline: float) -> None:
        """Wait until it has ended, and kill it at the deadline."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def list_gpus(listing: str) -> list[str]:
    """The ids of the GPUs in the output of `nvidia-smi -L`; a GPU that is divided counts as its MIG parts."""
    devices: list[tuple[str, list[str]]] = []
    for indent, kind, uuid in _DEVICE.findall(listing):
        if kind == "GPU" and not indent:
            devices.append((uuid, []))
        elif devices:
            devices[-1][1].append(uuid)
    return [part for uuid, parts in devices for part in (parts or [uuid])]


def find_gpus() -> list[str]:
    """The ids of this machine's GPUs; raises NoGpu."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoGpu(f"nvidia-smi -L shows no GPU: {error}") from error
    if found := list_gpus(listed.stdout):
        return found
    raise NoGpu(f"nvidia-smi -L shows no GPU: {listed.stdout.strip() or listed.stderr.strip()}")


def run_workers(workers: Sequence[GpuWorker], stop: threading.Event, *, poll_seconds: float = 0.5) -> None:
    """Keep every worker running until `stop` is set; then end them all, so that they hand jobs back."""
    while not stop.is_set():
        for worker in workers:
            worker.tend()
        stop.wait(poll_seconds)
    for worker in workers:
        if worker.process is not None:
            worker.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for worker in workers:
        worker.stop(deadline)


def gpu_workers(
    gpus: Annotated[
        str | None,
        typer.Option(help="Comma-separated, as in CUDA_VISIBLE_DEVICES; all by default."),
    ] = None,
    queue: Annotated[str, typer.Option(envvar="MAQUETTE_WORKER_QUEUE")] = "default",
) -> None:
    """Run one worker for each GPU, or each MIG part of one, until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    devices = find_gpus() if gpus is None else [each.strip() for each in gpus.split(",") if each.strip()]
    command = [
        *(sys.executable, "-m", "celery", "-A", "workers.main", "worker", "--queues", queue),
        *("--concurrency", "1", "--pool", "prefork", "--without-gossip", "--without-mingle"),
        *("--loglevel", "INFO"),
    ]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_workers([GpuWorker(number, device, command) for number, device in enumerate(devices)], stop)
