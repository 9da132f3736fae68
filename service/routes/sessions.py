"""Video sessions for annotation tools: open, prompt, propagate, close.

A session is a row of the ledger. Each step is an ordinary job that replays the prompts, so no session is lost
with a worker.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from maquette.contract import (
    Job,
    MediaRef,
    OpenSession,
    Point,
    Propagate,
    Session,
    SessionAnswer,
    TrackJob,
    VideoPrompt,
)
from maquette.contract.sessions import SESSION_OBJECTS, SESSION_PROMPTS

from service.delivery.results import to_datetime, to_job
from service.delivery.waiting import preferred_wait, wait_until_final
from service.dispatch.session_jobs import build_preview_job, build_propagation_job
from service.dispatch.submission import submit_job
from service.guards.keys import Caller
from service.guards.requests import check_request
from service.problems import ServiceProblem
from service.routes.jobs import Prefer
from service.state import State, get_state
from storage.ledger import JobRow, SessionRow, files, sessions

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
SessionPath = Annotated[str, Path(description="The id of a session")]
TRIES = 5


@router.post("", status_code=201)
async def open_session(http: Request, request: OpenSession, key: Caller) -> Session:
    """Open a session on an uploaded video."""
    state = get_state(http)
    return await state.writes.run(_open, state, key.tenant, request)


def _open(state: State, tenant: str, request: OpenSession) -> Session:
    opening = VideoPrompt(points=[Point(x=0, y=0)])
    _check(state, tenant, request.video, request.engine, request.text, opening)
    content = {
        "engine": request.engine,
        "text": request.text,
        "threshold": request.threshold,
        "prompts": [],
        "last_job": None,
    }
    return _told(state, sessions.add(state.db, tenant, request.video, request.ttl_seconds, content))


@router.get("/{session_id}")
def get_session(http: Request, key: Caller, session_id: SessionPath) -> Session:
    """A session and what was prompted in it."""
    state = get_state(http)
    return _told(state, _known(state, key.tenant, session_id))


@router.delete("/{session_id}", status_code=204)
async def close_session(http: Request, key: Caller, session_id: SessionPath) -> None:
    """End a session; its jobs and their results stay."""
    state = get_state(http)
    if not await state.writes.run(sessions.close, state.db, key.tenant, session_id):
        raise _unknown(session_id)


@router.post("/{session_id}/prompts", status_code=201)
async def add_prompt(
    http: Request, prompt: VideoPrompt, key: Caller, session_id: SessionPath, prefer: Prefer = None
) -> SessionAnswer:
    """Add a prompt; its preview is a segment job of the frame. 'Prefer: wait=N' waits for it."""
    state = get_state(http)
    session, added = await state.writes.run(_prompted, state, key.tenant, session_id, prompt)
    if added.remove:
        return SessionAnswer(session=_told(state, session), object=added.object or 0)
    row = await state.writes.run(_previewed, state, session, added)
    seconds = preferred_wait(", ".join(prefer or ()), state.settings.max_wait_seconds)
    if seconds is not None:
        row = await wait_until_final(state.db, state.notifier, row, seconds)
    job = await run_in_threadpool(to_job, row, state.results)
    return SessionAnswer(session=_told(state, session), object=added.object or 0, preview=job)


@router.delete("/{session_id}/prompts/{index}")
async def drop_prompt(http: Request, key: Caller, session_id: SessionPath, index: int) -> Session:
    """Take a prompt back by its place in the session's list."""
    state = get_state(http)

    def without(content: dict[str, Any]) -> None:
        if not 0 <= index < len(content["prompts"]):
            raise ServiceProblem("prompt_unknown", 404, f"the session has no prompt {index}")
        del content["prompts"][index]

    row = await state.writes.run(_changed, state, key.tenant, session_id, without)
    return await run_in_threadpool(_told, state, row)


@router.post("/{session_id}/propagate", status_code=202)
async def propagate(
    http: Request,
    asked: Propagate,
    response: Response,
    key: Caller,
    session_id: SessionPath,
    prefer: Prefer = None,
) -> Job:
    """Follow all objects through the video: a track job, whose ids are those of the session."""
    state = get_state(http)
    row = await state.writes.run(_propagated, state, key.tenant, session_id, asked)
    response.headers["Location"] = f"/v1/jobs/{row.id}"
    seconds = preferred_wait(", ".join(prefer or ()), state.settings.max_wait_seconds)
    if seconds is not None:
        row = await wait_until_final(state.db, state.notifier, row, seconds)
    return await run_in_threadpool(to_job, row, state.results)


def _prompted(
    state: State, tenant: str, session_id: str, prompt: VideoPrompt
) -> tuple[SessionRow, VideoPrompt]:
    added = prompt

    def with_prompt(content: dict[str, Any]) -> None:
        nonlocal added
        known = [VideoPrompt.model_validate(item) for item in content["prompts"]]
        if len(known) >= SESSION_PROMPTS:
            raise ServiceProblem("session_full", 422, f"a session holds {SESSION_PROMPTS} prompts")
        highest = max(
            (item.object or 0 for item in known if (item.object or 0) <= SESSION_OBJECTS), default=0
        )
        number = prompt.object or highest + 1
        if prompt.object is None and number > SESSION_OBJECTS:
            raise ServiceProblem("session_full", 422, f"a session holds {SESSION_OBJECTS} objects")
        found_by_phrase = number > SESSION_OBJECTS and bool(content["text"])
        if number > highest + (prompt.object is None) and not found_by_phrase:
            raise ServiceProblem(
                "object_unknown", 404, f"the session has no object {number}: it has {highest}"
            )
        added = prompt.model_copy(update={"object": number})
        content["prompts"].append(added.model_dump(mode="json"))

    session = _known(state, tenant, session_id)
    if not prompt.remove:
        alone = prompt.model_copy(update={"object": None})
        _check(state, tenant, session.video, session.state["engine"], [], alone)
    return _changed(state, tenant, session_id, with_prompt), added


def _check(state: State, tenant: str, video: str, engine: str, text: list[str], prompt: VideoPrompt) -> None:
    """Refuse now what the track job would refuse later."""
    job = TrackJob(video=MediaRef(id=video), text=text, prompts=[prompt], engine=engine)
    check_request(state, tenant, job, state.router.choose_queue(job))


def _previewed(state: State, session: SessionRow, added: VideoPrompt) -> JobRow:
    prompts = _prompts(session)
    job = build_preview_job(state, session, prompts, added.object or 0, added.frame)
    return submit_job(state, session.tenant, job, None)


def _propagated(state: State, tenant: str, session_id: str, asked: Propagate) -> JobRow:
    session = _known(state, tenant, session_id)
    prompts = _prompts(session)
    if not prompts and not session.state["text"]:
        raise ServiceProblem("session_empty", 422, "there is nothing to follow: add a prompt first")
    row = submit_job(state, tenant, build_propagation_job(state, session, prompts, asked), None)
    _changed(state, tenant, session_id, lambda content: content.update(last_job=row.id))
    return row


def _prompts(session: SessionRow) -> list[VideoPrompt]:
    return [VideoPrompt.model_validate(item) for item in session.state["prompts"]]


def _changed(state: State, tenant: str, session_id: str, change: Any) -> SessionRow:
    """Apply a change, again if somebody else was quicker."""
    for _ in range(TRIES):
        session = _known(state, tenant, session_id)
        content = session.state
        change(content)
        stored = sessions.change(state.db, session, content)
        if stored is not None:
            return stored
    raise ServiceProblem("session_busy", 409, "others change this session at the same time: try again")


def _told(state: State, row: SessionRow) -> Session:
    media = files.find_media(state.db, row.tenant, row.video)
    info = {} if media is None else media.info
    known = {name: info.get(name) for name in ("width", "height", "frames", "frame_rate")}
    times = {"created_at": to_datetime(row.created_at), "expires_at": to_datetime(row.expires_at)}
    return Session.model_validate({"id": row.id, "video": row.video, **row.state, **known, **times})


def _known(state: State, tenant: str, session_id: str) -> SessionRow:
    row = sessions.get(state.db, tenant, session_id)
    if row is None:
        raise _unknown(session_id)
    return row


def _unknown(session_id: str) -> ServiceProblem:
    return ServiceProblem("session_unknown", 404, f"no open session of yours has the id {session_id}")
