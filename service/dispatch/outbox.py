"""The outbox: publishes new jobs in a thread, so that a dead queue never delays or loses a request."""

import logging
import queue
import threading
import time

from celery import Celery

from storage.broker import UNREACHABLE, publish
from storage.ledger import Database, jobs

log = logging.getLogger(__name__)
Announcement = tuple[str, str, int]
MARK_EVERY = 0.5
REST_AFTER_FAILURE = 1.0


class Outbox:
    """Tells the queue of jobs that the ledger already has; what fails is left to the reaper."""

    def __init__(self, db: Database, app: Celery) -> None:
        self._db = db
        self._app = app
        self._inbox: queue.SimpleQueue[Announcement | None] = queue.SimpleQueue()
        self._told: list[str] = []
        self._resting_until = 0.0
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Start publishing."""
        self._thread.start()

    def close(self) -> None:
        """Publish what is announced, then stop."""
        self._inbox.put(None)
        self._thread.join(timeout=5)

    def announce(self, job_id: str, queue_name: str, timeout_seconds: int) -> None:
        """Publish a job soon."""
        self._inbox.put((job_id, queue_name, timeout_seconds))

    def _run(self) -> None:
        marked_at = time.monotonic()
        while True:
            try:
                item = self._inbox.get(timeout=MARK_EVERY)
            except queue.Empty:
                item = ("", "", 0)
            if item is None:
                self._mark()
                return
            if item[0]:
                self._publish(item)
            if self._told and time.monotonic() - marked_at > MARK_EVERY:
                self._mark()
                marked_at = time.monotonic()

    def _publish(self, item: Announcement) -> None:
        if time.monotonic() < self._resting_until:
            return
        try:
            publish(self._app, *item)
        except UNREACHABLE as error:
            log.warning("the queue cannot be reached; the reaper will publish %s: %s", item[0], error)
            self._resting_until = time.monotonic() + REST_AFTER_FAILURE
            return
        self._told.append(item[0])

    def _mark(self) -> None:
        told, self._told = self._told, []
        try:
            if told:
                jobs.mark_dispatched(self._db, told)
        except Exception:
            # unmarked jobs are published once more, and a second claim finds nothing to do
            log.warning("could not mark %d jobs as dispatched", len(told), exc_info=True)
