"""Chooses the queue of a job, and with it the engines that run it."""

import threading
import time
from collections.abc import Iterable, Sequence
from typing import NoReturn

from maquette.contract import BodiesJob, JobRequest, ObjectsJob
from maquette.contract.requests import ReconstructionJob

from service import catalogue
from service.guards.engine_options import takes_options
from service.problems import ServiceProblem
from storage.broker import DEFAULT_QUEUE
from storage.ledger import Database, WorkerRow, fleet

FLEET_SECONDS = 2.0
# kinds of job that need a concept engine only, so that workers without other engines can run them
CONCEPT_KINDS = frozenset({"segment", "track", "dataset"})
# kinds that need one engine, besides one of concepts for their prompts
ONE_ENGINE_KINDS = frozenset({"objects", "bodies"})
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
        """The queue for a request, where there are several the first whose workers take all its options.

        Raises ServiceProblem when no worker has its engines.
        """
        if request.engine == DEFAULT_QUEUE:
            return DEFAULT_QUEUE
        workers = self._list_workers()
        queues = _list_queues(request, workers)
        if options := list(request.engine_options()):
            for queue in queues:
                if takes_options(options, _select(workers, queue)):
                    return queue
        if queues:
            return queues[0]
        for known in catalogue.KNOWN:
            if known.name == request.engine:
                raise ServiceProblem("engine_unavailable", 422, f"engine {known.name!r}: {known.why_not}")
        raise ServiceProblem(
            "engine_unknown",
            422,
            f"no engine is called {request.engine!r}; GET /v1/engines lists them, 'auto' chooses one",
        )

    def list_workers(self, queue: str | None = None) -> list[WorkerRow]:
        """The connected workers, of one queue or of all."""
        workers = self._list_workers()
        return list(workers) if queue is None else _select(workers, queue)

    def _list_workers(self) -> Sequence[WorkerRow]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._workers = fleet.list_alive(self._db, self._seen)
                self._until = time.monotonic() + FLEET_SECONDS
            return self._workers


def _select(workers: Iterable[WorkerRow], queue: str) -> list[WorkerRow]:
    return [worker for worker in workers if worker.queue == queue]


def _list_queues(request: JobRequest, workers: Sequence[WorkerRow]) -> list[str]:
    """The queues that may run a request of another engine than the default one, best first.

    Raises ServiceProblem where none of them can answer its prompts.
    """
    if request.engine != "auto":
        queues = _find_queues(request.engine, workers)
        able = [queue for queue in queues if _can_prompt(request, _select(workers, queue))]
        return able if able or not queues else _refuse_prompts(request)
    if request.kind in CONCEPT_KINDS and not request.skips_engines():
        best = [queue for name in BEST_CONCEPTS for queue in _find_queues(name, workers)]
        return [*best, DEFAULT_QUEUE]
    if request.kind not in ONE_ENGINE_KINDS:
        return [DEFAULT_QUEUE]
    # others are for options that the default engines lack
    others = dict.fromkeys(worker.queue for worker in workers if worker.queue != DEFAULT_QUEUE)
    return [DEFAULT_QUEUE, *(queue for queue in others if _can_prompt(request, _select(workers, queue)))]


def _find_queues(engine: str, workers: Sequence[WorkerRow]) -> list[str]:
    """The queues of the workers that have an engine, each once."""
    return list(
        dict.fromkeys(
            worker.queue
            for worker in workers
            if any(info["name"] == engine and info["available"] for info in worker.engines)
        )
    )


def _can_prompt(request: JobRequest, workers: Sequence[WorkerRow]) -> bool:
    """Whether the workers have the concept engine that the prompts of a request need."""
    return not _needs_concepts(request) or any(
        info["kind"] == "concepts" and info["available"] for worker in workers for info in worker.engines
    )


def _refuse_prompts(request: JobRequest) -> NoReturn:
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
