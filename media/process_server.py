"""A process that has imported the decoders once and forks a child for each request: `python -m … MODULE`.

It never reads untrusted bytes itself. Standard input is a socket: each request brings the descriptors for a
child's standard input and output, each answer the child's process id and a descriptor that refers to it.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

log = logging.getLogger(__name__)


def main() -> None:
    """Fork children that call `main` of a module, until the socket closes."""
    serve: Callable[[], None] = import_module(sys.argv[1]).main
    # children are reaped by the kernel, and end when their standard input does
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as control:
        while True:
            request, descriptors, _, _ = socket.recv_fds(control, 1, 2)
            if not request:
                return
            pid = os.fork()
            if pid == 0:
                control.close()
                _become_child(serve, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            _answer(control, pid)


def _answer(control: socket.socket, pid: int) -> None:
    """Send a child's id and descriptor; without a descriptor, the child is gone already."""
    descriptors: list[int] = []
    with suppress(ProcessLookupError):
        descriptors.append(os.pidfd_open(pid))
    socket.send_fds(control, [pid.to_bytes(4, "big")], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def _become_child(serve: Callable[[], None], inbox: int, outbox: int) -> None:
    """Serve requests from `inbox` and end; what was forked must not go on as the server."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(inbox, 0)
        os.dup2(outbox, 1)
        os.close(inbox)
        os.close(outbox)
        serve()
        status = 0
    except Exception:
        log.exception("the child has failed")
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
