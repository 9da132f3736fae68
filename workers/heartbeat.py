"""The heartbeat of one running job: it extends the lease, sends progress, and learns when to stop."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from maquette.contract import Problem
from sqlalchemy.exc import SQLAlchemyError

from storage.ledger import Database, JobRow, leases
from storage.ledger.leases import HeartbeatReply
from workers.errors import Stopped
from workers.settings import WorkerSettings

log = logging.getLogger(__name__)


class Heartbeat:
    """Beats in a thread of its own while the job runs; `check` raises Stopped in the thread that works."""

    def __init__(
        self,
        db: Database,
        job: JobRow,
        settings: WorkerSettings,
        *,
        before_kill: Callable[[], None] | None = None,
    ) -> None:
        """`before_kill` is called before the process is killed because the job does not stop."""
        self._before_kill = before_kill
        self._db = db
        self._job = job
        self._settings = settings
        self._reply = HeartbeatReply.CONTINUE
        self._stop_asked_at = 0.0
        self._progress: dict[str, Any] | None = None
        self._last_beat = 0.0
        # by a clock that does not jump, unlike the database's
        seconds = job.timeout_seconds if job.remaining_seconds is None else job.remaining_seconds
        self._deadline = time.monotonic() + seconds
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{job.id}", daemon=True)

    def __enter__(self) -> Self:
        self._last_beat = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._wake.set()
        self._thread.join()

    @property
    def reply(self) -> HeartbeatReply:
        """What the ledger has asked for."""
        return self._reply

    def progress(self, progress: dict[str, Any]) -> None:
        """Report progress with the next beat; raises Stopped when the job has to end."""
        self.check()
        self._progress = progress
        if time.monotonic() - self._last_beat >= self._settings.progress_seconds:
            self._wake.set()

    def check(self) -> None:
        """Raise Stopped when the ledger has asked for the job to end."""
        if self._reply is not HeartbeatReply.CONTINUE:
            raise Stopped(self._reply)

    def _run(self) -> None:
        while True:
            self._wake.wait(self._settings.heartbeat_seconds)
            self._wake.clear()
            if self._over.is_set():
                return
            if self._reply is HeartbeatReply.CONTINUE:
                self._beat()
            elif time.monotonic() - self._stop_asked_at > self._settings.stop_grace_seconds:
                self._kill_process()

    def _beat(self) -> None:
        progress, self._progress = self._progress, None
        try:
            reply = leases.heartbeat(self._db, self._job, self._settings.lease_seconds, progress)
        except SQLAlchemyError:
            # the lease is long enough to survive a short outage of the database
            log.warning("heartbeat of %s failed", self._job.id, exc_info=True)
            return
        finally:
            self._last_beat = time.monotonic()
        if reply is HeartbeatReply.CONTINUE and time.monotonic() > self._deadline:
            reply = HeartbeatReply.TIMEOUT
        if reply is not HeartbeatReply.CONTINUE:
            self._reply, self._stop_asked_at = reply, time.monotonic()

    def _kill_process(self) -> None:
        log.error("job %s does not stop (%s): killing its process", self._job.id, self._reply.value)
        end_stopped(self._db, self._job, self._reply)
        if self._before_kill is not None:
            self._before_kill()
        os.kill(os.getpid(), signal.SIGKILL)


def end_stopped(db: Database, job: JobRow, reply: HeartbeatReply) -> None:
    """Record how a stopped job ends; a job whose lease is lost is another worker's."""
    if reply is HeartbeatReply.CANCEL:
        leases.end_cancelled(db, job)
    elif reply is HeartbeatReply.TIMEOUT:
        detail = f"the job ran longer than its timeout_seconds ({job.timeout_seconds})"
        leases.fail(db, job, Problem.from_code("timed_out", 504, detail).model_dump(exclude_none=True))
    elif reply is HeartbeatReply.HAND_BACK:
        leases.hand_back(db, job)
