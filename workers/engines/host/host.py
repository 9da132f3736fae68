"""The parent's side: it starts the child, sends requests, and replaces a child that failed or served many.

A message is a JSON header and raw bytes (`media.wire`), never a pickle. The first message carries the config
that the child loads; every later one is a request with exactly one answer.
"""

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from media import wire
from storage import environment
from workers.engines.gpu_memory import MONITOR
from workers.engines.host.arrays import Arrays, pack, unpack
from workers.engines.host.errors import ArraysGarbled, HostCrashed, HostGarbled, HostRefused, HostTimeout
from workers.engines.host.group import ChildGroup

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[3]
# Our packages come last on the child's path, because our NumPy may be installed beside them.
BOOT = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
# What a child inherits of our environment: no keys, no database, no queue.
PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME")
PASSED_FAMILIES = ("CUDA_", "NVIDIA_", "PYTORCH_", "OMP_", "MKL_", "LC_")


@dataclass(frozen=True, slots=True)
class HostSpec:
    """The child to run, and its limits.

    `module` is run as `__main__` by the interpreter `python` and calls `workers.engines.host.child.serve`.
    `pythonpath` comes first on its path, then its environment's packages, then ours. `config` is sent once.
    Times are in seconds.
    """

    name: str
    module: str
    python: str
    config: Mapping[str, Any] = field(default_factory=dict)
    pythonpath: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    load_seconds: float = 900.0
    request_seconds: float = 120.0
    grace_seconds: float = 5.0
    requests_before_recycle: int = 2000


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its JSON fields and its arrays."""

    fields: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


class EngineHost:
    """A hosted engine; threads may share it, and requests are served one at a time."""

    def __init__(self, spec: HostSpec) -> None:
        self.spec = spec
        self._child: ChildGroup | None = None
        self._ready: Reply | None = None
        self._served = 0
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The child's process id, None without a child."""
        return self._child.pid if self._child is not None else None

    def start(self) -> Reply:
        """Start and load the child unless it is running; returns what it sent when it was ready.

        Raises HostTimeout, HostCrashed, HostGarbled, or HostRefused with the child's own code.
        """
        with self._lock:
            return self._running()[1]

    def ask(self, fields: Mapping[str, Any], arrays: Arrays, *, seconds: float | None = None) -> Reply:
        """Send a request, return its answer; a crashed child is replaced first. Raises as `start` does."""
        with self._lock:
            child, _ = self._running()
            limit = self.spec.request_seconds if seconds is None else seconds
            reply = self._exchange(child, "ask", fields, arrays, limit)
            self._served += 1
            if self._served >= self.spec.requests_before_recycle:
                log.info("%s served %d requests and is replaced", self.spec.name, self._served)
                self._drop(self.spec.grace_seconds)
            return reply

    def close(self) -> None:
        """Stop the child; a later request starts another."""
        with self._lock:
            self._drop(self.spec.grace_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> tuple[ChildGroup, Reply]:
        if self._child is not None and self._ready is not None and self._child.alive():
            return self._child, self._ready
        self._drop(0.0)
        spec = self.spec
        try:
            child = ChildGroup(spec.name, self._command(), self._environment())
        except OSError as error:
            raise HostCrashed(spec.name, f"{spec.python} cannot be run: {error}") from error
        self._child, self._served = child, 0
        try:
            self._ready = self._exchange(child, "load", spec.config, {}, spec.load_seconds)
        except BaseException:
            self._drop(0.0)
            raise
        return child, self._ready

    def _exchange(
        self, child: ChildGroup, verb: str, fields: Mapping[str, Any], arrays: Arrays, seconds: float
    ) -> Reply:
        descriptions, payload = pack(arrays)
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            child.kill()

        # Killing the child ends a blocked write as well as a blocked read, so one timer covers both.
        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            wire.send(child.stdin, {"verb": verb, "fields": dict(fields), "arrays": descriptions}, payload)
            header, answer = wire.receive(child.stdout)
        except (OSError, wire.Closed) as error:
            timer.cancel()
            self._drop(0.0)
            if expired.is_set():
                raise HostTimeout(self.spec.name, f"no answer within {seconds:g} s") from error
            last = child.tail() or "nothing"
            raise HostCrashed(self.spec.name, f"the child ended; last on its stderr: {last}") from error
        except (ValueError, KeyError, MemoryError, OverflowError) as error:
            self._drop(0.0)
            raise HostGarbled(self.spec.name, f"the child's answer is not a message: {error}") from error
        except BaseException:
            # An interrupted exchange leaves half a message in the pipe.
            self._drop(0.0)
            raise
        finally:
            timer.cancel()
        MONITOR.record_child(self.spec.name, header.get("gpu_memory"))
        return self._read(header, answer)

    def _read(self, header: dict[str, Any], payload: bytearray) -> Reply:
        if "error" in header:
            fatal = bool(header.get("fatal"))
            if fatal:
                self._drop(0.0)
            detail = str(header.get("detail"))
            raise HostRefused(self.spec.name, str(header["error"]), detail, fatal=fatal)
        try:
            return Reply(header["fields"], unpack(header["arrays"], payload))
        except (ArraysGarbled, KeyError) as error:
            self._drop(0.0)
            raise HostGarbled(self.spec.name, f"the child's answer cannot be read: {error}") from error

    def _drop(self, grace: float) -> None:
        child, self._child, self._ready = self._child, None, None
        if child is not None:
            child.stop(grace)
            MONITOR.forget_child(self.spec.name)

    def _environment(self) -> dict[str, str]:
        passed = environment.inherit(lambda name: name in PASSED or name.startswith(PASSED_FAMILIES))
        own = {
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "1",
            "PYTHONPATH": os.pathsep.join(self.spec.pythonpath),
        }
        return {**passed, **self.spec.environment, **own}

    def _command(self) -> list[str]:
        return [self.spec.python, "-c", BOOT, str(ROOT), self.spec.module]
