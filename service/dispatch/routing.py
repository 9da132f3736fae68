"""Chooses the queue of a job, and with it the engines that run it."""

import threading
import time
from collections.abc import Sequence

from maquette.contract import BodiesJob, JobRequest, ObjectsJob
from maquette.contract.requests import ReconstructionJob

from service import catalogue
from service.problems import ServiceProblem
from storage.broker import DEFAULT_QUEUE
from storage.ledger import Database, WorkerRow, fleet

FLEET_SECONDS = 2.0
# kinds of job that need a concept engine only, so that workers without other engines can run them
CONCEPT_KINDS = frozenset({"segment", "track", "dataset"})
# concept engines that "auto" prefers over the default one, best first
BEST_CONCEPTS = ("sam3",)


class Router:
    """Chooses among the connected workers, which it looks up every two seconds at most."""

    def __init__(self, db: Database, seen_seconds: float) -> None:
        self._db = db
        self._seen = seen_seconds
        self._workers: Sequence[WorkerRow] = ()
        self._until = 0.0
        self._lock = threading.Lock()

    def choose_queue(self, request: JobRequest) -> str:
        """The queue for a request; raises ServiceProblem when no worker has its engines."""
        if request.engine == DEFAULT_QUEUE:
            return DEFAULT_QUEUE
        workers = self._list_workers()
        if request.engine == "auto":
            if request.kind in CONCEPT_KINDS and not request.skips_engines():
                for name in BEST_CONCEPTS:
                    if queue := _find_queue(name, workers):
                        return queue
            return DEFAULT_QUEUE
        if queue := _find_queue(request.engine, workers):
            _require_concepts(request, [worker for worker in workers if worker.queue == queue])
            return queue
        for known in catalogue.KNOWN:
            if known.name == request.engine:
                raise ServiceProblem("engine_unavailable", 422, f"engine {known.name!r}: {known.why_not}")
        raise ServiceProblem(
            "engine_unknown",
            422,
            f"no engine is called {request.engine!r}; GET /v1/engines lists them, 'auto' chooses one",
        )

    def list_workers(self, queue: str) -> list[WorkerRow]:
        """The connected workers of a queue."""
        return [worker for worker in self._list_workers() if worker.queue == queue]

    def _list_workers(self) -> Sequence[WorkerRow]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._workers = fleet.list_alive(self._db, self._seen)
                self._until = time.monotonic() + FLEET_SECONDS
            return self._workers


def _find_queue(engine: str, workers: Sequence[WorkerRow]) -> str | None:
    for worker in workers:
        if any(info["name"] == engine and info["available"] for info in worker.engines):
            return worker.queue
    return None


def _require_concepts(request: JobRequest, workers: Sequence[WorkerRow]) -> None:
    """Raise ServiceProblem for prompts that workers without a concept engine cannot answer."""
    if not _needs_concepts(request):
        return
    if any(info["kind"] == "concepts" and info["available"] for worker in workers for info in worker.engines):
        return
    raise ServiceProblem(
        "engine_unavailable",
        422,
        f"the workers of engine {request.engine!r} have no engine that finds objects: run a segment or track "
        "job first and name it in 'from_job', or give 'masks'",
    )


def _needs_concepts(request: JobRequest) -> bool:
    """Whether a reconstruction has to find its objects or people first, or follow them through a video."""
    if isinstance(request, BodiesJob):
        return request.from_job is None and not (request.image and (request.boxes or request.masks))
    if isinstance(request, ReconstructionJob):
        has_prompts = bool(request.text or request.boxes or request.points)
        return has_prompts or (isinstance(request, ObjectsJob) and request.video is not None)
    return False
