"""Probes and metrics for operators."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from starlette.exceptions import HTTPException

from service import metrics
from service.problems import ServiceProblem, storage_full
from service.state import get_state
from storage.ledger import fleet

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(http: Request) -> dict[str, object]:
    """Whether the ledger answers and there is space for uploads; also how many workers are connected."""
    state = get_state(http)
    if state.store.free_bytes() < state.settings.min_free_bytes:
        raise ServiceProblem("storage_full", 507, storage_full().detail)
    try:
        with state.db.read() as connection:
            connection.execute(text("SELECT 1"))
        workers = fleet.list_alive(state.db, state.settings.worker_seen_seconds)
    except Exception as error:
        raise ServiceProblem("not_ready", 503, "the ledger cannot be reached") from error
    return {"status": "ready", "workers": len(workers)}


@router.get("/metrics", response_class=Response)
def prometheus(http: Request) -> Response:
    """Prometheus text format. With `MAQUETTE_METRICS_PORT` they are on that port, without a key."""
    if get_state(http).settings.metrics_port is not None:
        raise HTTPException(404, "metrics are served on a port of their own")
    return Response(metrics.render(get_state(http)), media_type=CONTENT_TYPE_LATEST)
