"""Wakes those who wait for a job when its history grows: one watcher per gateway, however many wait."""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.concurrency import run_in_threadpool

from storage.ledger import Database, changes, jobs

log = logging.getLogger(__name__)
RECONNECT_SECONDS = 1.0

Events = list[dict[str, Any]]


class Notifier:
    """Hands changes from the watching thread to the event loop."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._reads: dict[tuple[str, int], asyncio.Task[Events]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="notifier", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start watching; call it on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join(timeout=2)

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job's history may have grown; clear it before you read."""
        changed = asyncio.Event()
        self._waiting[job_id].add(changed)
        try:
            yield changed
        finally:
            self._waiting[job_id].discard(changed)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def read_history(self, job_id: str, after: int) -> Events:
        """Events of a job after a sequence number; concurrent readers of the same share one query."""
        key = (job_id, after)
        task = self._reads.get(key)
        if task is None:
            task = asyncio.create_task(run_in_threadpool(jobs.list_events, self._db, job_id, after))
            self._reads[key] = task
            task.add_done_callback(lambda _: self._reads.pop(key, None))
        return await asyncio.shield(task)

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                changes.watch(self._db, self._stop, self._report)
            except Exception:
                log.warning("the ledger cannot be watched; trying again", exc_info=True)
                self._report(None)
                self._stop.wait(RECONNECT_SECONDS)

    def _report(self, job_ids: set[str] | None) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, job_ids)

    def _wake(self, job_ids: set[str] | None) -> None:
        """Wake those who wait for these jobs, or everybody after events may have been missed."""
        for job_id in list(self._waiting) if job_ids is None else job_ids:
            for changed in self._waiting.get(job_id, ()):
                changed.set()
