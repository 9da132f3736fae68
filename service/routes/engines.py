"""The engines that can run here, and why others cannot."""

from fastapi import APIRouter, Request
from maquette.contract import Engine, Engines

from service import catalogue
from service.guards.keys import Caller
from service.state import get_state
from storage.ledger import fleet

router = APIRouter(prefix="/v1/engines", tags=["engines"])


@router.get("")
def list_engines(http: Request, key: Caller) -> Engines:
    """Engines of the workers that are connected, then those that are known but absent."""
    state = get_state(http)
    engines: dict[tuple[str, str], Engine] = {}
    for worker in fleet.list_alive(state.db, state.settings.worker_seen_seconds):
        for info in worker.engines:
            identity = (info["kind"], info["name"])
            known = engines.get(identity)
            if known is None or (info["available"] and not known.available):
                engines[identity] = Engine.model_validate({"licence": "unknown", **info})
            engine = engines[identity]
            engine.workers += 1
            # only what every worker lacks cannot be asked for
            engine.missing = {
                name: how for name, how in engine.missing.items() if name in info.get("missing", {})
            }
    present = {name for _, name in engines}
    absent = [engine for engine in catalogue.KNOWN if engine.name not in present]
    return Engines(engines=[*engines.values(), *absent])
