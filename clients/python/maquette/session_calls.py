"""What a video session does, without doing any input or output (see `calls`)."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from maquette import errors, inputs
from maquette.calls import Call, Operation, call, upload_any
from maquette.contract import Job, OpenSession, Propagate, Session, SessionAnswer, VideoPrompt
from maquette.inputs import Phrases, Source

JSON = {"Content-Type": "application/json"}


def open_session(
    video: Source, text: Phrases | None, threshold: float | None, options: dict[str, Any]
) -> Operation[Session]:
    """Upload the video and open a session on it."""
    ref = yield from upload_any(video)
    try:
        request = OpenSession(video=ref.id or "", text=inputs.phrases(text), threshold=threshold, **options)
    except ValidationError as error:
        raise errors.invalid(error) from error
    response = yield from call(Call("POST", "/v1/sessions", JSON, content=request.model_dump_json().encode()))
    return Session.model_validate_json(response.content)


def get_session(session_id: str) -> Operation[Session]:
    """A session as it is now."""
    response = yield from call(Call("GET", f"/v1/sessions/{session_id}"))
    return Session.model_validate_json(response.content)


def add_prompt(
    session_id: str,
    frame: int,
    box: Any,
    points: Iterable[Any] | None,
    mask: Any,
    number: int | None,
    remove: bool,
    wait: float,
) -> Operation[SessionAnswer]:
    """Add a prompt and wait for its preview, `wait` seconds at most."""
    given = {"frame": frame, "box": box, "points": points, "mask": mask, "object": number, "remove": remove}
    try:
        [prompt] = inputs.prompts(
            [{key: value for key, value in given.items() if value is not None}], VideoPrompt
        )
    except ValidationError as error:
        raise errors.invalid(error) from error
    headers = {**JSON, "Prefer": f"wait={wait:.0f}"}
    content = prompt.model_dump_json(exclude_none=True).encode()
    response = yield from call(Call("POST", f"/v1/sessions/{session_id}/prompts", headers, content=content))
    return SessionAnswer.model_validate_json(response.content)


def drop_prompt(session_id: str, index: int) -> Operation[Session]:
    """Take a prompt back."""
    response = yield from call(Call("DELETE", f"/v1/sessions/{session_id}/prompts/{index}"))
    return Session.model_validate_json(response.content)


def propagate(session_id: str, options: dict[str, Any]) -> Operation[Job]:
    """Start a track job of all that was prompted."""
    try:
        content = Propagate(**options).model_dump_json(exclude_none=True).encode()
    except ValidationError as error:
        raise errors.invalid(error) from error
    response = yield from call(Call("POST", f"/v1/sessions/{session_id}/propagate", JSON, content=content))
    return Job.model_validate_json(response.content)


def close_session(session_id: str) -> Operation[None]:
    """End a session; one that is over already is no error."""
    yield from call(Call("DELETE", f"/v1/sessions/{session_id}", accept=(404,)))
