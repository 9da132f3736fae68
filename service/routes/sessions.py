"""Video sessions for annotation tools: open, prompt, propagate, close.

A session is a row of the ledger. Each step is an ordinary job that replays the prompts, so no session is lost
with a worker.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from maquette.contract import Job, OpenSession, Propagate, Session, SessionAnswer, VideoPrompt

from service.delivery.results import to_job
from service.delivery.waiting import preferred_wait, wait_until_final
from service.dispatch import session_steps
from service.dispatch.session_steps import require_session, session_unknown, to_session
from service.guards.keys import Caller, find_actor
from service.routes.jobs import Prefer
from service.state import get_state
from storage.ledger import sessions

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
SessionPath = Annotated[str, Path(description="The id of a session")]


@router.post("", status_code=201)
async def open_session(http: Request, request: OpenSession, key: Caller) -> Session:
    """Open a session on an uploaded video."""
    state = get_state(http)
    return await state.writes.run(session_steps.open_session, state, key.tenant, request)


@router.get("/{session_id}")
def get_session(http: Request, key: Caller, session_id: SessionPath) -> Session:
    """A session and its prompts."""
    state = get_state(http)
    return to_session(state, require_session(state, key.tenant, session_id))


@router.delete("/{session_id}", status_code=204)
async def close_session(http: Request, key: Caller, session_id: SessionPath) -> None:
    """End a session; its jobs and their results stay."""
    state = get_state(http)
    if not await state.writes.run(sessions.close, state.db, key.tenant, session_id, find_actor(http)):
        raise session_unknown(session_id)


@router.post("/{session_id}/prompts", status_code=201)
async def add_prompt(
    http: Request, prompt: VideoPrompt, key: Caller, session_id: SessionPath, prefer: Prefer = None
) -> SessionAnswer:
    """Add a prompt; its preview is a segment job of the frame. 'Prefer: wait=N' waits for it."""
    state = get_state(http)
    session, added = await state.writes.run(session_steps.add_prompt, state, key.tenant, session_id, prompt)
    row = await state.writes.run(session_steps.submit_preview, state, session, added)
    if row is None:
        return SessionAnswer(session=to_session(state, session), object=added.object or 0)
    seconds = preferred_wait(", ".join(prefer or ()), state.settings.max_wait_seconds)
    if seconds is not None:
        row = await wait_until_final(state.db, state.notifier, row, seconds)
    job = await run_in_threadpool(to_job, row, state.results)
    return SessionAnswer(session=to_session(state, session), object=added.object or 0, preview=job)


@router.delete("/{session_id}/prompts/{index}")
async def drop_prompt(http: Request, key: Caller, session_id: SessionPath, index: int) -> Session:
    """Remove a prompt by its place in the session's list."""
    state = get_state(http)
    row = await state.writes.run(session_steps.drop_prompt, state, key.tenant, session_id, index)
    return await run_in_threadpool(to_session, state, row)


@router.post("/{session_id}/propagate", status_code=202)
async def propagate(
    http: Request,
    request: Propagate,
    response: Response,
    key: Caller,
    session_id: SessionPath,
    prefer: Prefer = None,
) -> Job:
    """Track all objects through the video: a track job whose ids are those of the session."""
    state = get_state(http)
    row = await state.writes.run(session_steps.submit_propagation, state, key.tenant, session_id, request)
    response.headers["Location"] = f"/v1/jobs/{row.id}"
    seconds = preferred_wait(", ".join(prefer or ()), state.settings.max_wait_seconds)
    if seconds is not None:
        row = await wait_until_final(state.db, state.notifier, row, seconds)
    return await run_in_threadpool(to_job, row, state.results)
