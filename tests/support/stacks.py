"""Embedded stacks that are stopped again whatever happens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from service.embedded import Stack, free_port


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
