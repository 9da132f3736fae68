"""The child's side: read requests, answer each once, and end when the parent is gone.

Runs in the hosted engine's own environment: nothing but the standard library, NumPy, `media.wire` and this
package may be imported here.
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
from workers.engines.host.arrays import Arrays, pack, unpack
from workers.engines.host.errors import ArraysGarbled

# After one of these a process cannot be trusted to work again.
FATAL_NAMES = frozenset({"OutOfMemoryError", "AcceleratorError", "MemoryError"})
Answer = tuple[Mapping[str, Any], Arrays]
Message = tuple[dict[str, Any], bytearray]


class ChildError(Exception):
    """An error with a code the parent knows; `fatal` asks to be replaced."""

    def __init__(self, code: str, detail: str, *, fatal: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.fatal = fatal


class Engine(Protocol):
    """What a loaded engine offers: `ready` is told once, `answer` serves one request."""

    ready: Answer

    def answer(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """Fields and arrays of the reply; raises ChildError, or anything."""
        ...


def serve(load: Callable[[Mapping[str, Any]], Engine]) -> None:
    """Load with the parent's config, then answer until the parent goes or an error is fatal."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    incoming, outgoing = _take_pipes()
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(incoming, inbox), name="parent", daemon=True).start()
    engine: Engine | None = None
    while True:
        header, payload = inbox.get()
        try:
            if engine is None:
                engine = load(header["fields"])
                fields, arrays = engine.ready
            else:
                fields, arrays = engine.answer(header["fields"], unpack(header["arrays"], payload))
            told, body = pack(arrays)
        except ChildError as error:
            _refuse(outgoing, error.code, str(error), error.fatal)
            if error.fatal or engine is None:
                return
        except ArraysGarbled as error:
            _refuse(outgoing, "garbled", str(error), False)
        # whatever the engine raises must reach the parent as an answer
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            fatal = engine is None or is_fatal(error)
            _refuse(outgoing, "engine_failed", f"{type(error).__name__}: {error}", fatal)
            if fatal:
                return
        else:
            wire.send(outgoing, {"fields": dict(fields), "arrays": told}, body)


def is_fatal(error: BaseException) -> bool:
    """Whether the process is of no use after this: CUDA errors stick, and so does lost memory."""
    return type(error).__name__ in FATAL_NAMES or "CUDA" in str(error) or "cuDNN" in str(error)


def _refuse(outgoing: int, code: str, detail: str, fatal: bool) -> None:
    wire.send(outgoing, {"error": code, "detail": detail, "fatal": fatal})


def _take_pipes() -> tuple[int, int]:
    """Keep the pipes to ourselves: what the engine prints goes to stderr, what it reads is empty."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def _listen(incoming: int, inbox: "queue.SimpleQueue[Message]") -> None:
    while True:
        try:
            inbox.put(wire.receive(incoming))
        except (wire.Closed, OSError, ValueError):
            # nobody waits for an answer any more, not even for the one in the making
            os._exit(0)
