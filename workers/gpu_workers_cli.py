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
# a worker that ends is started again after this long, as its GPU may need a moment; after twice as long each
# time that it ends soon after its start, up to a limit
RESTART_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 60.0
# "soon" is before this: twice as long as the slowest engine may load (`load_seconds`, 15 minutes)
STEADY_SECONDS = 1800.0
# ends in a row, each soon after the start, that count as a worker that cannot run: after pauses of 4 minutes
MOST_FAILURES = 8
# how long workers may take to hand their jobs back; longer than their own grace
STOP_SECONDS = 55.0
_DEVICE = re.compile(r"^(\s*)(GPU|MIG)\b.*\(UUID: ([^)]+)\)", re.MULTILINE)


class NoGpu(RuntimeError):
    """This machine shows no GPU; the message says how it was looked for."""


class NoWorkerRuns(RuntimeError):
    """Every worker has ended again and again soon after its start; the message says how."""


@dataclass(slots=True)
class GpuWorker:
    """The worker of one GPU: its number here, the GPU's id for CUDA, and the command that runs it."""

    number: int
    device: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    ended_at: float = field(default=-RESTART_SECONDS)
    failures: int = 0
    """How often in a row it has ended soon after its start."""
    status: int = 0
    """With what it has ended last."""

    @property
    def pause_seconds(self) -> float:
        """How long it rests between its last end and its next start."""
        return min(RESTART_SECONDS * 2.0 ** max(0, self.failures - 1), LONGEST_PAUSE_SECONDS)

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
        self.started_at = time.monotonic()
        log.info("worker gpu%d (%s) has started as process %d", self.number, self.device, self.process.pid)

    def tend(self) -> None:
        """Start it again when it has ended some time ago; one that runs steadily has its ends forgotten."""
        if self.process is not None:
            if self.process.poll() is not None:
                self._note_end(self.process.returncode)
            elif time.monotonic() - self.started_at >= STEADY_SECONDS:
                self.failures = 0
        if self.process is None and time.monotonic() - self.ended_at >= self.pause_seconds:
            self.start()

    def _note_end(self, status: int) -> None:
        self.process, self.ended_at, self.status = None, time.monotonic(), status
        ran = self.ended_at - self.started_at
        self.failures = 1 if ran >= STEADY_SECONDS else self.failures + 1
        log.log(
            logging.ERROR if self.failures >= MOST_FAILURES else logging.WARNING,
            "worker gpu%d (%s) has ended with status %d after %.0f s, %d times in a row; starts in %.0f s",
            self.number,
            self.device,
            status,
            ran,
            self.failures,
            self.pause_seconds,
        )

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
    """Keep every worker running until `stop` is set; then end them all, so that they hand jobs back.

    A worker that keeps ending costs the others nothing: it is started ever more rarely. Raises NoWorkerRuns
    when all of them do: whoever started this command can start it again, or take another machine.
    """
    try:
        while not stop.is_set():
            for worker in workers:
                worker.tend()
            if all(worker.failures >= MOST_FAILURES for worker in workers):
                ends = ", ".join(f"gpu{each.number} with status {each.status}" for each in workers)
                raise NoWorkerRuns(
                    f"no worker runs: each has ended {MOST_FAILURES} times in a row within "
                    f"{STEADY_SECONDS:.0f} s of its start ({ends}); the lines above say why"
                )
            stop.wait(poll_seconds)
    finally:
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
    """Run one worker for each GPU, or each MIG part of one, until SIGTERM.

    Ends with status 1 when there is no GPU, or when every worker keeps ending soon after its start.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        devices = find_gpus() if gpus is None else [each.strip() for each in gpus.split(",") if each.strip()]
    except NoGpu as error:
        log.error("%s", error)
        raise typer.Exit(1) from error
    command = [
        *(sys.executable, "-m", "celery", "-A", "workers.main", "worker", "--queues", queue),
        *("--concurrency", "1", "--pool", "prefork", "--without-gossip", "--without-mingle"),
        *("--loglevel", "INFO"),
    ]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run_workers([GpuWorker(number, device, command) for number, device in enumerate(devices)], stop)
    except NoWorkerRuns as error:
        log.error("%s", error)
        raise typer.Exit(1) from error
