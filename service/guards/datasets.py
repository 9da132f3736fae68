"""A dataset job against what the operator allows and has told: buckets and prices."""

from maquette.contract import DatasetJob

from service.problems import ServiceProblem
from service.state import State
from storage.broker import DEFAULT_QUEUE
from storage.buckets import allowed
from storage.ledger import fleet


def check(state: State, tenant: str, request: DatasetJob, queue: str) -> None:
    """Raise ServiceProblem for buckets that are not allowed, and for a budget in dollars without prices."""
    settings = state.settings
    for given in request.buckets:
        _allowed(given.address, tenant, settings.bucket_read, "read from", "MAQUETTE_BUCKET_READ")
    if request.publish is not None:
        _allowed(request.publish, tenant, settings.bucket_write, "write to", "MAQUETTE_BUCKET_WRITE")
    if request.max_dollars is not None:
        missing = [] if settings.price_cpu_hour is not None else ["MAQUETTE_PRICE_CPU_HOUR"]
        if settings.price_gpu_hour is None and _on_gpu(state, queue):
            missing.append("MAQUETTE_PRICE_GPU_HOUR")
        if missing:
            raise ServiceProblem(
                "price_unknown",
                422,
                f"'max_dollars' needs prices, and the operator has not set {' and '.join(missing)}: "
                "use 'max_seconds' or 'max_gpu_seconds'",
            )


def _allowed(address: str, tenant: str, setting: str, verb: str, name: str) -> None:
    if not allowed(address, tenant, setting):
        raise ServiceProblem(
            "bucket_not_allowed", 422, f"workers may not {verb} {address}: the operator allows that by {name}"
        )


def _on_gpu(state: State, queue: str) -> bool:
    if queue == DEFAULT_QUEUE:
        return False
    told = fleet.alive(state.db, state.settings.worker_seen_seconds)
    engines = [engine for worker in told if worker.queue == queue for engine in worker.engines]
    return any(str(engine.get("device", "")).startswith("cuda") for engine in engines)
