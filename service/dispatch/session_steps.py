"""The steps of a video session: open, prompt, preview, propagate. They block: routes run them in threads."""

from collections.abc import Callable
from typing import Any

from maquette.contract import MediaRef, OpenSession, Point, Propagate, Session, TrackJob, VideoPrompt
from maquette.contract.requests import report_no_object
from maquette.contract.sessions import SESSION_OBJECTS, SESSION_PROMPTS

from service.delivery.results import to_datetime
from service.dispatch.session_jobs import build_preview_job, build_propagation_job
from service.dispatch.submission import input_gone, submit_job
from service.guards.requests import check_request, to_problem
from service.problems import ServiceProblem
from service.state import State
from storage.ledger import JobRow, SessionRow, files, sessions
from storage.ledger.inputs import InputGone

# how often a change is tried when others change the session at the same time
CHANGE_ATTEMPTS = 5
Change = Callable[[dict[str, Any]], None]


def open_session(state: State, tenant: str, request: OpenSession) -> Session:
    """Store a new session; raises ServiceProblem when its video or engine cannot be used."""
    any_prompt = VideoPrompt(points=[Point(x=0, y=0)])
    _check_prompt(state, tenant, request.video, request.engine, request.text, any_prompt)
    content = {
        "engine": request.engine,
        "text": request.text,
        "threshold": request.threshold,
        "prompts": [],
        "last_job": None,
    }
    try:
        row = sessions.add(state.db, tenant, request.video, request.ttl_seconds, content)
    except InputGone as gone:
        raise input_gone(gone) from None
    return to_session(state, row)


def require_session(state: State, tenant: str, session_id: str) -> SessionRow:
    """An open session; raises ServiceProblem `session_unknown`."""
    row = sessions.get(state.db, tenant, session_id)
    if row is None:
        raise session_unknown(session_id)
    return row


def session_unknown(session_id: str) -> ServiceProblem:
    """The problem of a session that does not exist, has expired, or belongs to another tenant."""
    return ServiceProblem("session_unknown", 404, f"no open session of yours has the id {session_id}")


def to_session(state: State, row: SessionRow) -> Session:
    """A row as clients receive it, with what is known of its video."""
    media = files.find_media(state.db, row.tenant, row.video)
    info = {} if media is None else media.info
    video = {name: info.get(name) for name in ("width", "height", "frames", "frame_rate")}
    times = {"created_at": to_datetime(row.created_at), "expires_at": to_datetime(row.expires_at)}
    return Session.model_validate({"id": row.id, "video": row.video, **row.state, **video, **times})


def add_prompt(
    state: State, tenant: str, session_id: str, prompt: VideoPrompt
) -> tuple[SessionRow, VideoPrompt]:
    """Add a prompt; returns the session and the prompt with the id of its object."""
    session = require_session(state, tenant, session_id)
    if not prompt.remove:
        _check_prompt(state, tenant, session.video, session.state["engine"], [], prompt)
    added = prompt

    def append(content: dict[str, Any]) -> None:
        nonlocal added
        added = prompt.model_copy(update={"object": _choose_object(content, prompt)})
        content["prompts"].append(added.model_dump(mode="json"))

    return _change(state, tenant, session_id, append), added


def drop_prompt(state: State, tenant: str, session_id: str, index: int) -> SessionRow:
    """Remove the prompt at a place in the session's list."""

    def remove(content: dict[str, Any]) -> None:
        if not 0 <= index < len(content["prompts"]):
            raise ServiceProblem("prompt_unknown", 404, f"the session has no prompt {index}")
        del content["prompts"][index]

    return _change(state, tenant, session_id, remove)


def submit_preview(state: State, session: SessionRow, added: VideoPrompt) -> JobRow | None:
    """Submit the job that shows the prompted object on its frame; None where nothing can be shown yet."""
    if added.remove:
        return None
    job = build_preview_job(state, session, _read_prompts(session), added.object or 0, added.frame)
    return None if job is None else submit_job(state, session.tenant, job, None)


def submit_propagation(state: State, tenant: str, session_id: str, request: Propagate) -> JobRow:
    """Submit the track job of the session's prompts, and remember it as the last one."""
    session = require_session(state, tenant, session_id)
    prompts = _read_prompts(session)
    row = submit_job(state, tenant, build_propagation_job(state, session, prompts, request), None)
    _change(state, tenant, session_id, lambda content: content.update(last_job=row.id))
    return row


def _choose_object(content: dict[str, Any], prompt: VideoPrompt) -> int:
    """The id of the prompt's object, a new one where the prompt names none; raises ServiceProblem."""
    prompts = [VideoPrompt.model_validate(item) for item in content["prompts"]]
    if len(prompts) >= SESSION_PROMPTS:
        raise ServiceProblem("session_full", 422, f"a session holds {SESSION_PROMPTS} prompts")
    ids = [item.object or 0 for item in prompts]
    highest = max((number for number in ids if number <= SESSION_OBJECTS), default=0)
    number = prompt.object or highest + 1
    if prompt.object is None and number > SESSION_OBJECTS:
        raise ServiceProblem("session_full", 422, f"a session holds {SESSION_OBJECTS} objects")
    may_be_of_phrase = number > SESSION_OBJECTS and bool(content["text"])
    if number > highest + (prompt.object is None) and not may_be_of_phrase:
        raise ServiceProblem("object_unknown", 404, f"the session has no object {number}: it has {highest}")
    own = [prompt, *(item for item in prompts if item.object == number)]
    if not (prompt.remove or may_be_of_phrase or any(item.can_start_object() for item in own)):
        raise to_problem(
            report_no_object("the prompt", f", and no prompt of the session starts object {number}")
        )
    return number


def _check_prompt(
    state: State, tenant: str, video: str, engine: str, text: list[str], prompt: VideoPrompt
) -> None:
    """Refuse now what the track job would refuse later; ids are checked against the session."""
    # as if the object were known: whether a correction has something to correct is checked there too
    start = VideoPrompt(frame=prompt.frame, object=1, points=[Point(x=0, y=0)])
    prompts = [prompt.model_copy(update={"object": 1}), start]
    job = TrackJob(video=MediaRef(id=video), text=text, prompts=prompts, reserved_ids=1, engine=engine)
    check_request(state, tenant, job, state.router.choose_queue(job))


def _read_prompts(session: SessionRow) -> list[VideoPrompt]:
    return [VideoPrompt.model_validate(item) for item in session.state["prompts"]]


def _change(state: State, tenant: str, session_id: str, change: Change) -> SessionRow:
    """Apply a change, again when another request has changed the session in between."""
    for _ in range(CHANGE_ATTEMPTS):
        session = require_session(state, tenant, session_id)
        content = session.state
        change(content)
        stored = sessions.change(state.db, session, content)
        if stored is not None:
            return stored
    raise ServiceProblem("session_busy", 409, "others are changing this session: try again")
