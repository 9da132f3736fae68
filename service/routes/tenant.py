"""The caller's tenant as a whole."""

import time

from fastapi import APIRouter, Request
from maquette.contract import Erasure

from service.guards.keys import Caller, find_actor
from service.state import get_state
from storage.ledger import erasure

router = APIRouter(prefix="/v1/tenant", tags=["tenant"])
# a request that deletes for longer than this is to be sent again
ERASE_SECONDS = 20.0


@router.delete("")
async def erase_tenant(http: Request, key: Caller) -> Erasure:
    """Delete all your jobs, results, uploads and sessions; repeat it until it is complete.

    Jobs that have not ended are refused (409): cancel them first.
    """
    state = get_state(http)
    until = time.monotonic() + ERASE_SECONDS

    def erase() -> erasure.ErasureReport:
        return erasure.erase_tenant(
            state.db, key.tenant, find_actor(http), may_go_on=lambda: time.monotonic() < until
        )

    report = await state.writes.run(erase)
    return Erasure(
        jobs=report.jobs, uploads=report.uploads, sessions=report.sessions, complete=report.complete
    )
