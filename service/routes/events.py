"""Events of a job as a stream (Server-Sent Events) that can be resumed."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from maquette.contract import FINAL_STATES, JobEvent

from service.delivery.results import to_datetime
from service.delivery.waiting import follow_events
from service.guards.keys import Caller
from service.problems import ServiceProblem
from service.state import State, get_state
from storage.ledger import jobs

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
# one event of the stream, as its fields are read from the wire
EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "event": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": JobEvent.model_json_schema(),
        },
    },
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of events; each data line is a JobEvent",
        "content": {"text/event-stream": {"itemSchema": EVENT}},
    },
    204: {"description": "The job has ended, and there are no events after Last-Event-ID"},
}


@router.get("/{job_id}/events", response_class=StreamingResponse, responses=STREAM)
async def job_events(
    http: Request,
    key: Caller,
    job_id: str,
    last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
) -> Response:
    """Every event of a job from its start, or after Last-Event-ID, until the job ends.

    204 means that the job has ended and Last-Event-ID was its last event: a browser then stops reconnecting.
    """
    state = get_state(http)
    row = await run_in_threadpool(jobs.get, state.db, key.tenant, job_id)
    if row is None:
        raise ServiceProblem("job_unknown", 404, f"no job of yours has the id {job_id}")
    after = int(last_event_id or 0)
    if row.state in FINAL_STATES and not await state.notifier.read_history(job_id, after):
        return Response(status_code=204)
    state.streams.check(key.tenant)
    return StreamingResponse(
        _stream(state, key.tenant, job_id, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(state: State, tenant: str, job_id: str, after: int) -> AsyncIterator[str]:
    with state.streams.hold(tenant):
        async for content in follow_events(state.notifier, job_id, after):
            if content is None:
                yield ": keep-alive\n\n"
                continue
            event = JobEvent.model_validate({**content, "at": to_datetime(content["at"])})
            yield f"id: {event.seq}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n"
