"""The reaper: requeues or ends jobs whose worker is gone, and announces those the queue has lost."""

import logging
import threading

import redis
from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from service.settings import ServiceSettings
from storage.broker import UNREACHABLE, publish
from storage.ledger import Database, clock, jobs, reaper, sessions

log = logging.getLogger(__name__)
BATCH = 200
# NTP corrects smaller differences by slewing, and leases last longer
MIN_JUMP_SECONDS = 3.0
MAX_READING_SECONDS = 1.0
# the outbox has announced a new job by then, unless its gateway died
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
        # database time, monotonic time and number of absorbed jumps at the last round
        self._last_reading: tuple[float, float, int] | None = None
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
        self._absorb_jump()
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
            # fewer messages than jobs that were announced: some were lost with a worker or the broker
            announced = reaper.count_announced(self._db, settings.redispatch_seconds, queue)
            missing = min(announced - self._queue.llen(queue), BATCH)
            if missing > 0:
                self._publish(reaper.list_waiting(self._db, settings.redispatch_seconds, queue, missing))

    def _absorb_jump(self) -> None:
        """Move the times of open jobs along when the database's clock jumped since the last round."""
        time = self._db.time
        asked = time.monotonic()
        with self._db.read() as connection:
            at, jumps = clock.read_clock(connection)
        elapsed = time.monotonic()
        if elapsed - asked > MAX_READING_SECONDS:
            # an answer that was under way so long says nothing about when the clock was read
            return
        before, self._last_reading = self._last_reading, (at, elapsed, jumps)
        if before is None:
            return
        jump = (at - before[0]) - (elapsed - before[1])
        if abs(jump) < MIN_JUMP_SECONDS:
            return
        with self._db.write() as connection:
            if clock.absorb_jump(connection, jump, before[2]):
                log.warning("the ledger's clock jumped by %+.1f s: the times of open jobs move along", jump)
            self._last_reading = (at, elapsed, clock.read_clock(connection)[1])

    def _publish(self, waiting: list[tuple[str, str, int]]) -> None:
        for job_id, queue, timeout in waiting:
            publish(self._app, job_id, queue, timeout)
        if waiting:
            jobs.mark_dispatched(self._db, [job_id for job_id, _, _ in waiting])
