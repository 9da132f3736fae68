"""Probes and metrics for operators."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text

from service import metrics
from service.problems import ServiceProblem
from service.state import get_state
from storage.ledger import fleet

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(http: Request) -> dict[str, object]:
    """The ledger answers; tells how many workers are connected."""
    state = get_state(http)
    try:
        with state.db.read() as connection:
            connection.execute(text("SELECT 1"))
        workers = fleet.list_alive(state.db, state.settings.worker_seen_seconds)
    except Exception as error:
        raise ServiceProblem("not_ready", 503, "the ledger cannot be reached") from error
    return {"status": "ready", "workers": len(workers)}


@router.get("/metrics", response_class=Response)
def prometheus(http: Request) -> Response:
    """Prometheus text format."""
    return Response(metrics.render(get_state(http)), media_type=CONTENT_TYPE_LATEST)
