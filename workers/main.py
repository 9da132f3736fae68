"""The Celery worker (`celery -A workers.main worker`): the parent listens, the child holds the engines."""

import logging
import os
import signal
from typing import TYPE_CHECKING, Any

from celery import signals

from storage import environment
from storage.broker import TASK, make_app
from workers.engines.gpu_faults import DeviceLost
from workers.settings import WorkerSettings

if TYPE_CHECKING:
    from workers.worker_process import WorkerProcess

settings = WorkerSettings()
app = make_app(settings.broker_url)
_process: "WorkerProcess | None" = None
# with which a child reports to the parent that it cannot start; alone it would end the parent, too
START_FAILED = signal.SIGUSR2
_start_failed = False


@app.task(name=TASK, bind=True)
def run(self: Any, job_id: str) -> None:
    """Run one job by its id, if the ledger says that it is still queued."""
    assert _process is not None
    try:
        _process.run(job_id, self.request.id)
    except DeviceLost:
        # the parent starts another child, which loads the engines anew; if that fails, the worker ends
        logging.getLogger(__name__).critical("this process ends: its GPU is lost", exc_info=True)
        os._exit(1)


@signals.worker_init.connect
def _listen(**_: Any) -> None:
    signal.signal(START_FAILED, _stop_failed)


def _stop_failed(*_: Any) -> None:
    """Stop as on SIGTERM, but for the exit status."""
    global _start_failed
    _start_failed = True
    signal.raise_signal(signal.SIGTERM)


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    global _process
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # on a busy machine, BLAS threads that wait for each other make a small solve ten times slower
    environment.set_default("OPENBLAS_NUM_THREADS", "1")
    try:
        from workers.worker_process import WorkerProcess

        _process = WorkerProcess(settings)
    except Exception:
        # Celery would keep a child that cannot run anything and would swallow every job
        logging.getLogger(__name__).critical("the worker cannot start", exc_info=True)
        os.kill(os.getppid(), START_FAILED)
        os._exit(1)


@signals.worker_shutting_down.connect
def _drain(**_: Any) -> None:
    from storage.ledger import Database, fleet

    fleet.drain(Database(settings.database_url), settings.worker_id)


@signals.worker_shutdown.connect
def _leave(sender: Any, **_: Any) -> None:
    if _start_failed:
        # after SIGTERM it is 0, on which `on-failure` starts nothing again
        sender.exitcode = 1
    from storage.ledger import Database, fleet

    fleet.leave(Database(settings.database_url), settings.worker_id)
