"""Messages between a process and its sandbox: a JSON header and raw bytes, never pickle."""

import json
import os
import select
import struct
import time
from typing import Any


class Closed(Exception):
    """The other side is gone."""


def send(fd: int, header: dict[str, Any], payload: memoryview | bytes = b"") -> None:
    """Write one message; `payload` follows the header as it is."""
    head = json.dumps({**header, "bytes": len(payload)}).encode()
    _write(fd, struct.pack(">I", len(head)) + head)
    _write(fd, payload)


def receive(fd: int, timeout: float | None = None) -> tuple[dict[str, Any], bytearray]:
    """Read one message; raises TimeoutError after `timeout` seconds and Closed at the end of the stream."""
    deadline = None if timeout is None else time.monotonic() + timeout
    (size,) = struct.unpack(">I", _read(fd, 4, deadline))
    header: dict[str, Any] = json.loads(bytes(_read(fd, size, deadline)))
    return header, _read(fd, int(header["bytes"]), deadline)


def _write(fd: int, data: memoryview | bytes) -> None:
    view = memoryview(data)
    while len(view):
        view = view[os.write(fd, view[: 1 << 20]) :]


def _read(fd: int, size: int, deadline: float | None) -> bytearray:
    out = bytearray(size)
    view = memoryview(out)
    while len(view):
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not _wait_for_data(fd, left):
                raise TimeoutError
        got = os.readv(fd, [view])
        if got == 0:
            raise Closed
        view = view[got:]
    return out


def _wait_for_data(fd: int, seconds: float) -> bool:
    # select takes no descriptor from 1024 on, and a gateway with many streams has such
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(1e3 * seconds))
