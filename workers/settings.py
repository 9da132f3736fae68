"""Settings of a worker; every name is read from MAQUETTE_<NAME>."""

import os
import socket

from storage.settings import StorageSettings


def _worker_id() -> str:
    # the children of one Celery parent share its identity
    return os.environ.setdefault("MAQUETTE_WORKER_ID", f"{socket.gethostname()}-{os.getpid()}")


class WorkerSettings(StorageSettings):
    """How one worker runs: its engines, its queue, and how patiently it stops."""

    worker_id: str = ""
    worker_queue: str = "default"
    worker_engines: str = "default"
    stop_grace_seconds: float = 8.0
    progress_seconds: float = 0.25

    def model_post_init(self, _context: object) -> None:
        if not self.worker_id:
            self.worker_id = _worker_id()
