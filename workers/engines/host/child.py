"""The child's side: it reads requests, answers each once, and ends with its parent.

This runs in the hosted engine's own environment, so it may import only the standard library, NumPy,
`media.wire`, this package and `workers.engines.gpu_faults`. Every answer, also an error, has `gpu_memory`:
the bytes `allocated`, `reserved` and `peak` (since the last answer) of this process, null without a GPU.
"""

import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from media import wire
from workers.engines.gpu_faults import measure_memory
from workers.engines.host.arrays import Arrays, pack, unpack
from workers.engines.host.errors import ArraysGarbled

# After one of these errors a process cannot be trusted again.
FATAL_NAMES = frozenset({"OutOfMemoryError", "AcceleratorError", "MemoryError"})
Answer = tuple[Mapping[str, Any], Arrays]
Message = tuple[dict[str, Any], bytearray]


class ChildError(Exception):
    """An error with a stable code for the parent; `fatal` asks the parent to replace this child."""

    def __init__(self, code: str, detail: str, *, fatal: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.fatal = fatal


class HostedEngine(Protocol):
    """A loaded engine: `ready` is sent once, `answer` serves one request."""

    ready: Answer

    def answer(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """Fields and arrays of the reply; raises ChildError for known errors, but any error is reported."""
        ...


def serve(load: Callable[[Mapping[str, Any]], HostedEngine]) -> None:
    """Load the engine with the parent's config, then answer until the parent ends or an error is fatal."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    incoming, outgoing = _take_pipes()
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(incoming, inbox), name="parent", daemon=True).start()
    engine: HostedEngine | None = None
    while True:
        header, payload = inbox.get()
        try:
            if engine is None:
                engine = load(header["fields"])
                fields, arrays = engine.ready
            else:
                fields, arrays = engine.answer(header["fields"], unpack(header["arrays"], payload))
            descriptions, payload_out = pack(arrays)
        except ChildError as error:
            _send_error(outgoing, error.code, str(error), error.fatal)
            if error.fatal or engine is None:
                return
        except ArraysGarbled as error:
            _send_error(outgoing, "garbled", str(error), False)
        # Whatever the engine raises must reach the parent as an answer.
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            fatal = engine is None or is_fatal(error)
            _send_error(outgoing, "engine_failed", f"{type(error).__name__}: {error}", fatal)
            if fatal:
                return
        else:
            header = {"fields": dict(fields), "arrays": descriptions, "gpu_memory": measure_memory()}
            wire.send(outgoing, header, payload_out)


def is_fatal(error: BaseException) -> bool:
    """Whether the process is unusable after this error: CUDA errors persist, and so does exhausted memory."""
    return type(error).__name__ in FATAL_NAMES or "CUDA" in str(error) or "cuDNN" in str(error)


def _send_error(outgoing: int, code: str, detail: str, fatal: bool) -> None:
    header = {"error": code, "detail": detail, "fatal": fatal, "gpu_memory": measure_memory()}
    wire.send(outgoing, header)


def _take_pipes() -> tuple[int, int]:
    """Take over the pipes: what the engine prints goes to stderr, and its stdin is empty."""
    incoming, outgoing = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    return incoming, outgoing


def _listen(incoming: int, inbox: "queue.SimpleQueue[Message]") -> None:
    while True:
        try:
            inbox.put(wire.receive(incoming))
        except (wire.Closed, OSError, ValueError):
            # The parent is gone: no answer is wanted, not even one in progress.
            os._exit(0)
