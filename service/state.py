"""What the gateway holds while it runs."""

from dataclasses import dataclass

from fastapi import Request

from service.delivery.notifier import Notifier
from service.delivery.results import ResultCache
from service.delivery.streams import StreamLimit
from service.dispatch.outbox import Outbox
from service.dispatch.routing import Router
from service.guards.key_ring import KeyRing
from service.guards.limits import TenantLimits
from service.guards.links import LinkSigner
from service.guards.logins import LoginSigner
from service.guards.probing import ProbePool
from service.lanes import Lane
from service.settings import ServiceSettings
from storage.artefacts import ArtefactStore
from storage.ledger import Database


@dataclass(slots=True)
class State:
    """What routes may need."""

    settings: ServiceSettings
    db: Database
    store: ArtefactStore
    outbox: Outbox
    router: Router
    keys: KeyRing
    links: LinkSigner
    logins: LoginSigner
    limits: TenantLimits
    probes: ProbePool
    results: ResultCache
    notifier: Notifier
    streams: StreamLimit
    # threads for what may block long: files that arrive, and writes to a ledger that another process may lock
    uploads: Lane
    writes: Lane


def get_state(request: Request) -> State:
    """The state of the application that serves a request."""
    state: State = request.app.state.maquette
    return state
