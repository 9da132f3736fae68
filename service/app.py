"""The application: its routes, errors and metrics, and what lives as long as the process."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from celery import Celery
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from service import metrics, openapi, problems
from service.delivery.notifier import Notifier
from service.delivery.results import ResultCache
from service.delivery.streams import StreamLimit
from service.dispatch.collector_thread import CollectorThread
from service.dispatch.outbox import Outbox
from service.dispatch.reaper_thread import Reaper
from service.dispatch.routing import Router
from service.guards.bodies import BodyGuard
from service.guards.key_ring import KeyRing
from service.guards.keys import KeyGuard
from service.guards.limits import RateGuard, TenantLimits
from service.guards.links import LinkSigner
from service.guards.logins import LoginSigner
from service.guards.probing import ProbePool
from service.guards.semantics import HttpSemantics
from service.lanes import Lane
from service.logs import AccessLogMiddleware
from service.routes import (
    artefacts,
    engines,
    events,
    health,
    jobs,
    login,
    page,
    resumable_uploads,
    sessions,
    tenant,
    uploads,
    usage,
)
from service.routes import keys as key_routes
from service.settings import ServiceSettings
from service.state import State
from storage.artefacts import open_store
from storage.broker import make_app
from storage.ledger import Database, keys

log = logging.getLogger(__name__)
ROUTES = (
    *(uploads, resumable_uploads, jobs, events, artefacts, sessions),
    *(tenant, usage, key_routes, engines, health, login, page),
)
UPLOAD_THREADS = 16
WRITE_THREADS = 8
# what pages of the origins that the operator names may send and read
SHARED_WITH_ORIGINS: dict[str, Any] = {
    "allow_methods": ["GET", "HEAD", "POST", "PATCH", "DELETE"],
    "allow_headers": [
        *("Authorization", "X-API-Key", "Content-Type", "Content-Digest", "Prefer", "Range"),
        *("Idempotency-Key", "Idempotency-Scope", "Last-Event-ID"),
        *("Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Repr-Digest"),
    ],
    "expose_headers": [
        *("Location", "Retry-After", "ETag", "Accept-Ranges", "Content-Range", "RateLimit"),
        *("Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Expires", "Content-Location"),
    ],
    "allow_credentials": False,
}
DESCRIPTION = "Images and videos in; masks, splats, meshes, bodies and datasets out. Every job is durable."


def open_ledger(settings: ServiceSettings) -> Database:
    """The ledger with its newest schema and the operator's key."""
    db = Database(settings.database_url, busy_seconds=settings.ledger_busy_seconds)
    if settings.auto_migrate:
        db.migrate()
    if settings.api_key and not keys.ensure(db, settings.api_key_tenant, "operator", settings.api_key):
        log.warning("MAQUETTE_API_KEY is a key that was revoked: it opens nothing")
    return db


def build_state(settings: ServiceSettings, db: Database, celery: Celery) -> State:
    """What the routes need; nothing in it is started yet."""
    store = open_store(settings.artefacts, settings.scratch, settings.s3_endpoint)
    if abandoned := store.remove_abandoned():
        log.info("removed %d files of uploads that were cut off", len(abandoned))
    ring = KeyRing(db, settings.key_cache_seconds)
    return State(
        settings=settings,
        db=db,
        store=store,
        outbox=Outbox(db, celery),
        router=Router(db, settings.worker_seen_seconds),
        keys=ring,
        links=LinkSigner(db, ring, settings.link_secret),
        logins=LoginSigner(db, ring, settings.login_hours * 3600),
        limits=TenantLimits(db, settings),
        probes=ProbePool(settings.probe_processes, settings.probe_queue),
        results=ResultCache(store),
        notifier=Notifier(db),
        streams=StreamLimit(settings.max_streams, settings.max_streams_per_tenant),
        uploads=Lane(UPLOAD_THREADS),
        writes=Lane(WRITE_THREADS),
    )


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The gateway; settings come from the environment unless they are given."""
    chosen = settings or ServiceSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        db, celery = open_ledger(chosen), make_app(chosen.broker_url, publishes_only=True)
        app.state.maquette = state = build_state(chosen, db, celery)
        sweepers = (Reaper(db, celery, chosen), CollectorThread(db, state.store, chosen))
        stop_metrics = metrics.serve(state) if chosen.metrics_port else None
        for part in (state.probes, state.notifier, state.outbox, *sweepers):
            part.start()
        try:
            yield
        finally:
            if stop_metrics is not None:
                stop_metrics()
            for part in (state.notifier, *sweepers, state.outbox, state.probes):
                part.close()
            db.close()

    # Swagger's scripts come from a package, so that the page works without internet
    app = FastAPIOffline(
        title="Maquette",
        version=version("maquette-server"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    problems.install(app)
    # the last one added is the first to see a request
    app.add_middleware(
        BodyGuard,
        max_bytes=chosen.max_body_bytes,
        max_elements=chosen.max_body_elements,
        streamed=("/v1/uploads", f"{resumable_uploads.PREFIX}/"),
    )
    app.add_middleware(RateGuard)
    app.add_middleware(KeyGuard)
    app.add_middleware(HttpSemantics)
    if origins := [origin.strip() for origin in chosen.cors_origins.split(",") if origin.strip()]:
        # no cookies: pages of other sites send keys
        app.add_middleware(CORSMiddleware, allow_origins=origins, **SHARED_WITH_ORIGINS)
    app.add_middleware(metrics.MetricsMiddleware)
    if chosen.access_log:
        app.add_middleware(AccessLogMiddleware)
    for module in ROUTES:
        app.include_router(module.router)
    openapi.install(app)
    return app
