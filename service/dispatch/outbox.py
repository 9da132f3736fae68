"""The outbox: announces new jobs to the queue in a thread, so that a broken queue delays no request."""

import logging
import queue
import threading
import time

from celery import Celery

from storage.broker import UNREACHABLE, publish
from storage.ledger import Database, jobs

log = logging.getLogger(__name__)
Announcement = tuple[str, str, int]
# published jobs are marked in the ledger in batches of this many seconds
MARK_SECONDS = 0.5
PAUSE_AFTER_FAILURE = 1.0


class Outbox:
    """Announces jobs that are stored in the ledger already; what fails is left to the reaper."""

    def __init__(self, db: Database, app: Celery) -> None:
        self._db = db
        self._app = app
        self._inbox: queue.SimpleQueue[Announcement | None] = queue.SimpleQueue()
        self._published: list[str] = []
        self._paused_until = 0.0
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Start publishing."""
        self._thread.start()

    def close(self) -> None:
        """Publish what was announced, then stop."""
        self._inbox.put(None)
        self._thread.join(timeout=5)

    def announce(self, job_id: str, queue_name: str, timeout_seconds: int) -> None:
        """Publish a job soon."""
        self._inbox.put((job_id, queue_name, timeout_seconds))

    def _run(self) -> None:
        marked_at = time.monotonic()
        while True:
            try:
                item = self._inbox.get(timeout=MARK_SECONDS)
            except queue.Empty:
                item = ("", "", 0)
            if item is None:
                self._mark()
                return
            if item[0]:
                self._publish(item)
            if self._published and time.monotonic() - marked_at > MARK_SECONDS:
                self._mark()
                marked_at = time.monotonic()

    def _publish(self, item: Announcement) -> None:
        if time.monotonic() < self._paused_until:
            return
        try:
            publish(self._app, *item)
        except UNREACHABLE as error:
            log.warning("the queue cannot be reached; the reaper will publish %s: %s", item[0], error)
            self._paused_until = time.monotonic() + PAUSE_AFTER_FAILURE
            return
        self._published.append(item[0])

    def _mark(self) -> None:
        published, self._published = self._published, []
        try:
            if published:
                jobs.mark_dispatched(self._db, published)
        except Exception:
            # unmarked jobs are published again, and the second message finds the job claimed
            log.warning("could not mark %d jobs as dispatched", len(published), exc_info=True)
