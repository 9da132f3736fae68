"""Embedded stacks that are stopped again whatever happens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from service.embedded import Stack, free_port

# seconds after which a stack notices that something is gone
QUICK = {
    "MAQUETTE_LEASE_SECONDS": "3",
    "MAQUETTE_HEARTBEAT_SECONDS": "0.3",
    "MAQUETTE_SWEEP_SECONDS": "0.3",
    "MAQUETTE_REDISPATCH_SECONDS": "1",
    "MAQUETTE_CANCEL_GRACE_SECONDS": "2",
    "MAQUETTE_STOP_GRACE_SECONDS": "1",
}


@contextmanager
def running_stack(
    folder: Path, settings: Mapping[str, str] | None = None, *, workers: int = 1
) -> Iterator[Stack]:
    """A queue, a gateway and workers in `folder`, ready for jobs; `settings` are MAQUETTE_* variables."""
    stack = Stack(folder, free_port(), settings=dict(settings or {}), workers=workers)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
