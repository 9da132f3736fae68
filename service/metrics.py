"""Prometheus metrics of the gateway, the jobs and the workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
    start_http_server,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import worker_metrics
from storage.collection import CollectionReport
from storage.ledger import blobs, fleet, jobs

if TYPE_CHECKING:
    from service.state import State

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "maquette_http_requests", "Requests by route and status", ["method", "route", "status"], registry=REGISTRY
)
SECONDS = Histogram(
    "maquette_http_request_seconds", "Time to the first byte of the answer", ["route"], registry=REGISTRY
)
JOBS = Gauge("maquette_jobs", "Jobs by queue and state", ["queue", "state"], registry=REGISTRY)
STREAMS = Gauge("maquette_event_streams", "Event streams that are open", registry=REGISTRY)
CONDEMNED = Gauge(
    "maquette_condemned_files", "Files that are removed after the grace time unless needed", registry=REGISTRY
)
COLLECTED = Counter(
    "maquette_collected", "What this gateway's rounds of collection have deleted", ["what"], registry=REGISTRY
)
LAST_COLLECTION = Gauge(
    "maquette_last_collection_timestamp_seconds",
    "When this gateway last finished a round of collection",
    registry=REGISTRY,
)
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

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unmatched")
                REQUESTS.labels(scope["method"], route, message["status"]).inc()
                SECONDS.labels(route).observe(time.perf_counter() - start)
            await send(message)

        await self._app(scope, receive, send_counted)


class LedgerRegistry(CollectorRegistry):
    """The metrics, with the gauges of jobs and workers read from the ledger at each scrape."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def collect(self) -> Iterator[Metric]:
        JOBS.clear()
        for (queue, name), count in jobs.count_by_state(self._state.db).items():
            JOBS.labels(queue, name).set(count)
        CONDEMNED.set(blobs.count_condemned(self._state.db))
        WORKERS.clear()
        workers = fleet.list_alive(self._state.db, self._state.settings.worker_seen_seconds)
        for worker in workers:
            WORKERS.labels(worker.queue).inc()
        yield from REGISTRY.collect()
        yield from worker_metrics.collect(workers)


def record_collection(report: CollectionReport) -> None:
    """Count what a round of collection has deleted."""
    for what in ("jobs", "uploads", "unfinished", "histories", "files"):
        COLLECTED.labels(what).inc(getattr(report, what))
    LAST_COLLECTION.set_to_current_time()


def render(state: State) -> bytes:
    """The metrics in Prometheus text format."""
    return generate_latest(LedgerRegistry(state))


def serve(state: State) -> Callable[[], None]:
    """Serve the metrics on a port of their own; returns what stops it."""
    settings = state.settings
    assert settings.metrics_port is not None
    server, thread = start_http_server(
        settings.metrics_port, addr=settings.metrics_host, registry=LedgerRegistry(state)
    )

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2)

    return stop
