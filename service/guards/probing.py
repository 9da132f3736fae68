"""Uploads are probed in a sandbox before they are kept."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from media.limits import MediaLimits
from media.sandbox import Sandbox
from service.problems import ServiceProblem

# A probe reads headers and one frame: what needs more memory is hostile or needs a worker.
PROBE_MEMORY = 1 << 30
RETRY_SECONDS = 2


class ProbePool:
    """A few sandboxes with threads of their own, and a bounded queue before them."""

    def __init__(self, processes: int, max_waiting: int) -> None:
        limits = MediaLimits(memory_bytes=PROBE_MEMORY)
        self._all = [Sandbox(limits) for _ in range(processes)]
        self._free: SimpleQueue[Sandbox] = SimpleQueue()
        for sandbox in self._all:
            self._free.put(sandbox)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="probe")
        self._max_pending = processes + max_waiting
        self._pending = 0

    def start(self) -> None:
        """Start the children before the first upload needs one."""
        for sandbox in self._all:
            sandbox.start()

    async def probe(self, file: Path) -> dict[str, Any]:
        """Probe a file; raises MediaError, and ServiceProblem `service_busy` when too many wait."""
        if self._pending >= self._max_pending:
            raise ServiceProblem(
                "service_busy",
                503,
                "too many uploads are being probed: try again",
                {"Retry-After": str(RETRY_SECONDS)},
            )
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._probe, file)
        finally:
            self._pending -= 1

    def _probe(self, file: Path) -> dict[str, Any]:
        sandbox = self._free.get()
        try:
            return sandbox.probe(file)
        finally:
            self._free.put(sandbox)

    def close(self) -> None:
        """Stop the children."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for sandbox in self._all:
            sandbox.close()
