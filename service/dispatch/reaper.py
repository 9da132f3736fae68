"""The reaper: settles jobs whose worker is gone and wakes the queue for those it forgot."""

import logging
import threading

import redis
from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from service.settings import ServiceSettings
from storage.broker import UNREACHABLE, publish
from storage.ledger import Database, jobs, reaper, sessions

log = logging.getLogger(__name__)
BATCH = 200
# the outbox has told the queue of a new job by then, unless its gateway died
OUTBOX_SECONDS = 2.0


class Reaper:
    """Sweeps every second; several gateways may sweep at once, every change is conditional."""

    def __init__(self, db: Database, app: Celery, settings: ServiceSettings) -> None:
        self._db = db
        self._app = app
        self._settings = settings
        self._queue = redis.Redis.from_url(
            settings.broker_url, socket_timeout=2.0, socket_connect_timeout=1.0
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        """Start sweeping."""
        self._thread.start()

    def close(self) -> None:
        """Stop sweeping."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._queue.close()

    def _run(self) -> None:
        while not self._stop.wait(self._settings.sweep_seconds):
            try:
                self.reap()
            except SQLAlchemyError:
                log.warning("the ledger cannot be reached", exc_info=True)
            except UNREACHABLE as error:
                log.warning("the queue cannot be reached: %s", error)

    def reap(self) -> None:
        """One round; stops at the first publish that fails."""
        settings = self._settings
        report = reaper.reap(
            self._db,
            max_attempts=settings.max_attempts,
            cancel_grace=settings.cancel_grace_seconds,
            queue_seconds=settings.queue_seconds,
        )
        for task_id in report.to_kill:
            self._app.control.revoke(task_id, terminate=True, signal="SIGKILL")
        sessions.drop_expired(self._db)
        self._publish(reaper.list_undispatched(self._db, OUTBOX_SECONDS, BATCH))
        for queue in reaper.list_busy_queues(self._db):
            # an empty queue with old jobs waiting means their messages were lost with a worker or the broker
            if self._queue.llen(queue) == 0:
                late = reaper.list_waiting(self._db, settings.redispatch_seconds, queue, BATCH)
                self._publish(late)

    def _publish(self, waiting: list[tuple[str, str, int]]) -> None:
        for job_id, queue, timeout in waiting:
            publish(self._app, job_id, queue, timeout)
        if waiting:
            jobs.mark_dispatched(self._db, [job_id for job_id, _, _ in waiting])
