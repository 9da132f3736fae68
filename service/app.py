"""The application: routes, errors, metrics, and what lives as long as the process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service import metrics, problems
from service.delivery.results import ResultCache
from service.dispatch.outbox import Outbox
from service.dispatch.reaper import Reaper
from service.dispatch.routing import Router
from service.guards.keys import KeyRing
from service.guards.limits import BodyLimit
from service.guards.probing import ProbePool
from service.routes import artefacts, engines, events, health, jobs, sessions, uploads
from service.settings import ServiceSettings
from service.state import State
from storage.artefacts import open_store
from storage.broker import make_app
from storage.ledger import Database, keys

DESCRIPTION = "Images and videos in; masks, splats, meshes, bodies and datasets out. Every job is durable."


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The gateway; settings come from the environment unless they are given."""
    chosen = settings or ServiceSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        db = Database(chosen.database_url)
        if chosen.auto_migrate:
            db.migrate()
        if chosen.api_key and keys.find(db, chosen.api_key) is None:
            keys.add(db, chosen.api_key_tenant, "operator", chosen.api_key)
        store = open_store(chosen.artefacts, chosen.scratch, chosen.s3_endpoint)
        celery = make_app(chosen.broker_url, publishes_only=True)
        outbox = Outbox(db, celery)
        reaper = Reaper(db, celery, chosen)
        probes = ProbePool(chosen.probe_processes)
        ring = KeyRing(db, chosen.key_cache_seconds)
        router = Router(db, chosen.worker_seen_seconds)
        app.state.maquette = State(chosen, db, store, outbox, router, ring, probes, ResultCache(store))
        probes.start()
        outbox.start()
        reaper.start()
        try:
            yield
        finally:
            reaper.close()
            outbox.close()
            probes.close()
            db.close()

    app = FastAPI(
        title="Maquette",
        version=version("maquette-server"),
        description=DESCRIPTION,
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    problems.install(app)
    app.add_middleware(metrics.MetricsMiddleware)
    app.add_middleware(BodyLimit, limit=chosen.max_body_bytes, free=("/v1/uploads",))
    for module in (uploads, jobs, events, artefacts, sessions, engines, health):
        app.include_router(module.router)
    return app
