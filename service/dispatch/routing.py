"""Which queue a job goes to."""

from collections.abc import Sequence

from service import catalogue
from service.problems import ServiceProblem
from storage.broker import DEFAULT_QUEUE
from storage.ledger import WorkerRow


def queue_of(engine: str, workers: Sequence[WorkerRow]) -> str:
    """The queue of an engine's workers; raises ServiceProblem when no worker can ever serve it."""
    if engine in ("auto", DEFAULT_QUEUE):
        return DEFAULT_QUEUE
    for worker in workers:
        if any(told["name"] == engine and told["available"] for told in worker.engines):
            return worker.queue
    for known in catalogue.KNOWN:
        if known.name == engine:
            raise ServiceProblem("engine_unavailable", 422, f"engine {engine!r}: {known.why_not}")
    raise ServiceProblem(
        "engine_unknown", 422, f"no engine is called {engine!r}; GET /v1/engines lists them, 'auto' chooses"
    )
