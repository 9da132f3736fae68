"""One child of a worker: its database, engines and sandbox, and the runner that uses them."""

import logging
import os
import threading
from functools import partial
from itertools import count

from sqlalchemy.exc import SQLAlchemyError

from media.sandbox import Sandbox
from storage.artefacts import open_store
from storage.broker import UNREACHABLE, make_app, publish, take_message
from storage.ledger import Database, fleet
from workers.engines.gpu_faults import DeviceLost, probe_device
from workers.engines.registry import EngineUnavailable, load_engines
from workers.engines.settings import SharedEngineSettings
from workers.runner import Runner
from workers.settings import WorkerSettings

log = logging.getLogger(__name__)
# how often the worker reports that it is alive; well below `worker_seen_seconds`
REPORT_SECONDS = 5.0
# the GPU computes something each half minute, so that a worker whose GPU is lost does not look alive
REPORTS_PER_PROBE = 6
# old copies of files are looked for once an hour
REPORTS_PER_CLEANING = 720


class WorkerProcess:
    """Loads everything once, then runs jobs by their ids."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._db = Database(settings.database_url)
        self._stop = threading.Event()
        self._store = store = open_store(settings.artefacts, settings.scratch, settings.s3_endpoint)
        sandbox = Sandbox()
        sandbox.start()
        engines = load_engines(settings.worker_engines, settings.engine_options())
        if SharedEngineSettings().require_gpu and engines.failures:
            # jobs would be taken and fail, or run on the CPU for hours
            why = "; ".join(f"{kind}: {reason}" for kind, reason in engines.failures.items())
            raise EngineUnavailable(settings.worker_engines, why)
        announce = partial(publish, make_app(settings.broker_url, publishes_only=True))
        self._queue = make_app(settings.broker_url)
        self._runner = Runner(
            self._db, store, engines, sandbox, settings, announce, take_message=self._take_message
        )
        fleet.announce(self._db, settings.worker_id, settings.worker_queue, engines.describe())
        threading.Thread(target=self._report_alive, name="alive", daemon=True).start()

    def run(self, job_id: str, task_id: str) -> None:
        """Run a job, and queued jobs about the same image, if it is still queued."""
        self._runner.run(job_id, task_id)

    def _take_message(self) -> None:
        try:
            take_message(self._queue, self._settings.worker_queue)
        except UNREACHABLE as error:
            log.warning("a message too many stays in the queue: %s", error)

    def _report_alive(self) -> None:
        for number in count():
            if self._stop.wait(REPORT_SECONDS):
                return
            try:
                if number % REPORTS_PER_PROBE == 0:
                    _end_without_gpu()
                fleet.record_seen(self._db, self._settings.worker_id, self._runner.stats.describe())
                if number % REPORTS_PER_CLEANING == 0:
                    # deleted content may lie here no longer
                    self._store.remove_stale_copies()
            except (SQLAlchemyError, OSError):
                log.warning("the ledger or the scratch folder cannot be reached", exc_info=True)
            except Exception:
                # without this thread, jobs would be refused for want of this worker
                log.exception("a report failed; the next is in %.0f s", REPORT_SECONDS)


def _end_without_gpu() -> None:
    """End the process when its GPU runs no kernel any longer; its job is requeued when the lease expires."""
    try:
        probe_device()
    except DeviceLost:
        log.critical("this process ends: its GPU is lost", exc_info=True)
        os._exit(1)
