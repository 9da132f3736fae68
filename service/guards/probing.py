"""Uploads are probed in a sandbox before they are kept."""

from pathlib import Path
from queue import SimpleQueue
from typing import Any

from media.sandbox import Sandbox


class ProbePool:
    """A few sandboxes that take turns."""

    def __init__(self, processes: int) -> None:
        self._all = [Sandbox() for _ in range(processes)]
        self._free: SimpleQueue[Sandbox] = SimpleQueue()
        for sandbox in self._all:
            self._free.put(sandbox)

    def start(self) -> None:
        """Start the children before the first upload needs one."""
        for sandbox in self._all:
            sandbox.start()

    def probe(self, file: Path) -> dict[str, Any]:
        """What the file is; raises MediaError."""
        sandbox = self._free.get()
        try:
            return sandbox.probe(file)
        finally:
            self._free.put(sandbox)

    def close(self) -> None:
        """Stop the children."""
        for sandbox in self._all:
            sandbox.close()
