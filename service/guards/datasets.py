"""What the operator allows and prices for dataset jobs, and who decided by hand."""

from maquette.contract import DatasetJob

from service.problems import ServiceProblem
from service.settings import ServiceSettings
from service.state import State
from storage.broker import DEFAULT_QUEUE
from storage.buckets import is_allowed
from storage.ledger import fleet


def check_buckets(settings: ServiceSettings, tenant: str, request: DatasetJob) -> None:
    """Raise ServiceProblem for a bucket that the operator has not allowed."""
    for bucket in request.buckets:
        if not is_allowed(bucket.address, tenant, settings.bucket_read):
            raise _not_allowed(bucket.address, "read from", "MAQUETTE_BUCKET_READ")
    if request.publish is not None and not is_allowed(request.publish, tenant, settings.bucket_write):
        raise _not_allowed(request.publish, "write to", "MAQUETTE_BUCKET_WRITE")


def sign_reviews(request: DatasetJob, name: str) -> DatasetJob:
    """The request whose decisions by hand all name who made them: `name` where the sender does not say."""
    reviews = [item.model_copy(update={"reviewer": item.reviewer or name}) for item in request.reviews]
    return request.model_copy(update={"reviews": reviews})


def check_prices(state: State, request: DatasetJob, queue: str) -> None:
    """Raise ServiceProblem for a budget in dollars where the operator has not set the prices."""
    if request.max_dollars is None:
        return
    settings = state.settings
    missing = [] if settings.price_cpu_hour is not None else ["MAQUETTE_PRICE_CPU_HOUR"]
    if settings.price_gpu_hour is None and _has_gpu(state, queue):
        missing.append("MAQUETTE_PRICE_GPU_HOUR")
    if missing:
        raise ServiceProblem(
            "price_unknown",
            422,
            f"'max_dollars' needs prices, and the operator has not set {' and '.join(missing)}: "
            "use 'max_seconds' or 'max_gpu_seconds'",
        )


def _not_allowed(address: str, verb: str, variable: str) -> ServiceProblem:
    return ServiceProblem(
        "bucket_not_allowed",
        422,
        f"workers may not {verb} {address}: the operator lists the allowed addresses in {variable}",
    )


def _has_gpu(state: State, queue: str) -> bool:
    """Whether a connected worker of a queue has an engine on a GPU."""
    if queue == DEFAULT_QUEUE:
        return False
    workers = fleet.list_alive(state.db, state.settings.worker_seen_seconds)
    engines = [engine for worker in workers if worker.queue == queue for engine in worker.engines]
    return any(str(engine.get("device", "")).startswith("cuda") for engine in engines)
