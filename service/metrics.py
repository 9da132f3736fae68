"""What operators watch."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.state import State
from storage.ledger import fleet, jobs

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "maquette_http_requests", "Requests by route and status", ["method", "route", "status"], registry=REGISTRY
)
SECONDS = Histogram(
    "maquette_http_request_seconds", "Time to the first byte of the answer", ["route"], registry=REGISTRY
)
JOBS = Gauge("maquette_jobs", "Jobs by queue and state", ["queue", "state"], registry=REGISTRY)
WORKERS = Gauge("maquette_workers", "Workers seen lately by queue", ["queue"], registry=REGISTRY)


class MetricsMiddleware:
    """Counts every request by the pattern of its route, never by its raw path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unmatched")
                REQUESTS.labels(scope["method"], route, message["status"]).inc()
                SECONDS.labels(route).observe(time.perf_counter() - start)
            await send(message)

        await self._app(scope, receive, noted)


def render(state: State) -> bytes:
    """The metrics, with the gauges read from the ledger now."""
    JOBS.clear()
    for (queue, name), count in jobs.count_by_state(state.db).items():
        JOBS.labels(queue, name).set(count)
    WORKERS.clear()
    for worker in fleet.list_alive(state.db, state.settings.worker_seen_seconds):
        WORKERS.labels(worker.queue).inc()
    return generate_latest(REGISTRY)
