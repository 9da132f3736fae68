"""Events of a job as a stream (Server-Sent Events) that can be taken up again."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from maquette.contract import JobEvent

from service.delivery.results import to_datetime
from service.delivery.waiting import events
from service.guards.keys import Caller
from service.problems import ServiceProblem
from service.state import get_state
from storage.ledger import Database, jobs

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of events; each data line is a JobEvent",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("/{job_id}/events", response_class=StreamingResponse, responses=STREAM)
async def job_events(
    http: Request, key: Caller, job_id: str, last_event_id: Annotated[str | None, Header()] = None
) -> StreamingResponse:
    """Every event of a job from its start, or from after Last-Event-ID, until the job is over."""
    state = get_state(http)
    if await run_in_threadpool(jobs.get, state.db, key.tenant, job_id) is None:
        raise ServiceProblem("job_unknown", 404, f"no job of yours has the id {job_id}")
    after = int(last_event_id) if last_event_id and last_event_id.isdigit() else 0
    return StreamingResponse(
        _stream(state.db, job_id, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(db: Database, job_id: str, after: int) -> AsyncIterator[str]:
    async for event in events(db, job_id, after):
        if event is None:
            yield ": still here\n\n"
            continue
        told = JobEvent.model_validate({**event, "at": to_datetime(event["at"])})
        yield f"id: {told.seq}\nevent: {told.type}\ndata: {told.model_dump_json()}\n\n"
