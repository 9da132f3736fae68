"""Settings of a worker; each is read from MAQUETTE_<NAME>."""

import os
import socket
from typing import Any

from pydantic import Field

from storage import environment
from storage.settings import StorageSettings
from workers.engines.bodies.sam3d.settings import Sam3dBodySettings
from workers.engines.concepts.sam3.settings import MetaSettings, Sam3Settings
from workers.engines.objects.sam3d.settings import Sam3dObjectsSettings
from workers.pipeline.settings import PipelineSettings


class WorkerSettings(StorageSettings):
    """Read by workers."""

    worker_id: str = ""
    """The worker's name in the ledger, different for each worker; by default host name and process id."""
    worker_queue: str = "default"
    """The queue the worker serves; the same as in `celery --queues`."""
    worker_engines: str = "default"
    """The suite of engines to load: `default`, `sam3`, `sam3d_objects` or `sam3d_body`."""
    stop_grace_seconds: float = 8.0
    """How long an engine may take to react when its job has to stop; then its process is killed."""
    progress_seconds: float = 0.25
    """Least time between two progress events of a job."""
    dataset_key: str | None = None
    """Signs the manifests of datasets (HMAC-SHA256); `maquette dataset verify` takes the same key."""
    pipeline: PipelineSettings = Field(default_factory=PipelineSettings)
    sam3: Sam3Settings = Field(default_factory=Sam3Settings)
    sam3_meta: MetaSettings = Field(default_factory=MetaSettings)
    sam3d_objects: Sam3dObjectsSettings = Field(default_factory=Sam3dObjectsSettings)
    sam3d_body: Sam3dBodySettings = Field(default_factory=Sam3dBodySettings)

    def model_post_init(self, _context: object) -> None:
        if not self.worker_id:
            # the children of one Celery parent share its identity
            own = f"{socket.gethostname()}-{os.getpid()}"
            self.worker_id = environment.set_default("MAQUETTE_WORKER_ID", own)

    def engine_options(self) -> dict[str, Any]:
        """What the engines of the worker's suite are built with."""
        options: dict[str, dict[str, Any]] = {
            "sam3": {"settings": self.sam3, "meta": self.sam3_meta},
            "sam3d_objects": {"settings": self.sam3d_objects},
            "sam3d_body": {"settings": self.sam3d_body},
        }
        return options.get(self.worker_engines, {})
