"""The application: routes, errors, metrics, and what lives as long as the process."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from service import metrics, openapi, problems
from service.delivery.notifier import Notifier
from service.delivery.results import ResultCache
from service.delivery.streams import StreamLimit
from service.dispatch.outbox import Outbox
from service.dispatch.reaper import Reaper
from service.dispatch.routing import Router
from service.guards.bodies import BodyGuard
from service.guards.keys import KeyGuard, KeyRing
from service.guards.probing import ProbePool
from service.lanes import Lane
from service.routes import artefacts, engines, events, health, home, jobs, sessions, uploads
from service.settings import ServiceSettings
from service.state import State
from storage.artefacts import open_store
from storage.broker import make_app
from storage.ledger import Database, keys

log = logging.getLogger(__name__)
UPLOAD_THREADS = 16
WRITE_THREADS = 8
DESCRIPTION = "Images and videos in; masks, splats, meshes, bodies and datasets out. Every job is durable."


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The gateway; settings come from the environment unless they are given."""
    chosen = settings or ServiceSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        db = Database(chosen.database_url, busy_seconds=chosen.ledger_busy_seconds)
        if chosen.auto_migrate:
            db.migrate()
        if chosen.api_key and not keys.ensure(db, chosen.api_key_tenant, "operator", chosen.api_key):
            log.warning("MAQUETTE_API_KEY is a key that was revoked: it opens nothing")
        store = open_store(chosen.artefacts, chosen.scratch, chosen.s3_endpoint)
        celery = make_app(chosen.broker_url, publishes_only=True)
        if abandoned := store.remove_abandoned():
            log.info("removed %d files of uploads that were cut off", len(abandoned))
        outbox = Outbox(db, celery)
        reaper = Reaper(db, celery, chosen)
        probes = ProbePool(chosen.probe_processes, chosen.probe_queue)
        notifier = Notifier(db)
        ring = KeyRing(db, chosen.key_cache_seconds)
        router = Router(db, chosen.worker_seen_seconds)
        app.state.maquette = state = State(
            settings=chosen,
            db=db,
            store=store,
            outbox=outbox,
            router=router,
            keys=ring,
            probes=probes,
            results=ResultCache(store),
            notifier=notifier,
            streams=StreamLimit(chosen.max_streams, chosen.max_streams_per_tenant),
            uploads=Lane(UPLOAD_THREADS),
            writes=Lane(WRITE_THREADS),
        )
        stop_metrics = metrics.serve(state) if chosen.metrics_port else None
        probes.start()
        notifier.start()
        outbox.start()
        reaper.start()
        try:
            yield
        finally:
            if stop_metrics is not None:
                stop_metrics()
            notifier.close()
            reaper.close()
            outbox.close()
            probes.close()
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
        streamed=("/v1/uploads",),
    )
    app.add_middleware(KeyGuard)
    app.add_middleware(metrics.MetricsMiddleware)
    for module in (uploads, jobs, events, artefacts, sessions, engines, health, home):
        app.include_router(module.router)
    openapi.install(app)
    return app
