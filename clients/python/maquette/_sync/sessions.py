# Generated from maquette/_async/sessions.py by scripts/generate_sync.py: do not edit.
"""Video sessions: prompt frames, preview masks, propagate, correct."""

from collections.abc import Iterable
from typing import Any, Self

from maquette import inputs
from maquette._sync.http import HttpClient
from maquette._sync.jobs import Job
from maquette._sync.uploads import upload
from maquette.contract import (
    Direction,
    OpenSession,
    Propagate,
    Session,
    SessionAnswer,
    TrackOutput,
    VideoPrompt,
)
from maquette.contract import Job as JobData
from maquette.contract.defaults import PROPAGATION
from maquette.errors import invalid_requests
from maquette.http import HttpRequest
from maquette.inputs import MediaInput, Phrases
from maquette.results import PromptResult, SegmentResult, TrackResult

JSON_HEADERS = {"Content-Type": "application/json"}
# longest wait for a preview within the request for it, before polling starts
PREVIEW_SECONDS = 30


class VideoSession:
    """A session for annotating a video; use it as a context manager to close it at the end."""

    def __init__(self, data: Session, http: HttpClient) -> None:
        self.data = data
        self._http = http

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} prompts={len(self.data.prompts)}>"

    @property
    def id(self) -> str:
        """The session's id."""
        return self.data.id

    def prompt(
        self,
        frame: int,
        *,
        box: Any = None,
        points: Iterable[Any] | None = None,
        mask: Any = None,
        object: int | None = None,
        remove: bool = False,
    ) -> PromptResult:
        """Start an object on a frame, or correct or remove the one with the id `object`; preview its mask."""
        fields = {
            "frame": frame,
            "box": box,
            "points": points,
            "mask": mask,
            "object": object,
            "remove": remove,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        with invalid_requests():
            [prompt] = inputs.to_prompts([given], VideoPrompt)
        headers = {**JSON_HEADERS, "Prefer": f"wait={PREVIEW_SECONDS}"}
        content = prompt.model_dump_json(exclude_none=True).encode()
        path = f"/v1/sessions/{self.id}/prompts"
        response = self._http.send(HttpRequest(method="POST", path=path, headers=headers, content=content))
        answer = SessionAnswer.model_validate_json(response.content)
        self.data = answer.session
        if answer.preview is None:
            return PromptResult(answer.object, None)
        preview: Job[SegmentResult] = Job(answer.preview, self._http)
        return PromptResult(answer.object, (preview.wait()).instances[0])

    def undo(self, index: int = -1) -> Session:
        """Remove a prompt, the last one by default."""
        position = index if index >= 0 else len(self.data.prompts) + index
        path = f"/v1/sessions/{self.id}/prompts/{position}"
        response = self._http.send(HttpRequest(method="DELETE", path=path))
        self.data = Session.model_validate_json(response.content)
        return self.data

    def propagate(
        self,
        *,
        direction: Direction = PROPAGATION.direction,
        start_frame: int | None = None,
        max_frames: int | None = None,
        outputs: Iterable[TrackOutput] = PROPAGATION.outputs,
    ) -> Job[TrackResult]:
        """Track all objects through the video; ids are those of the session."""
        with invalid_requests():
            request = Propagate(
                direction=direction, start_frame=start_frame, max_frames=max_frames, outputs=list(outputs)
            )
        content = request.model_dump_json(exclude_none=True).encode()
        path = f"/v1/sessions/{self.id}/propagate"
        response = self._http.send(
            HttpRequest(method="POST", path=path, headers=JSON_HEADERS, content=content)
        )
        return Job(JobData.model_validate_json(response.content), self._http)

    def refresh(self) -> Session:
        """Read the session again."""
        self.data = get_session(self._http, self.id)
        return self.data

    def close(self) -> None:
        """End the session, unless it has ended; results stay."""
        self._http.send(HttpRequest(method="DELETE", path=f"/v1/sessions/{self.id}", accept=(404,)))


def open_session(
    http: HttpClient,
    video: MediaInput,
    *,
    text: Phrases | None,
    threshold: float | None,
    engine: str,
    ttl_seconds: int,
) -> VideoSession:
    """Upload a video and open a session on it."""
    ref = upload(http, video)
    with invalid_requests():
        request = OpenSession(
            video=ref.id or "",
            text=inputs.to_phrases(text),
            threshold=threshold,
            engine=engine,
            ttl_seconds=ttl_seconds,
        )
    content = request.model_dump_json().encode()
    response = http.send(
        HttpRequest(method="POST", path="/v1/sessions", headers=JSON_HEADERS, content=content)
    )
    return VideoSession(Session.model_validate_json(response.content), http)


def get_session(http: HttpClient, session_id: str) -> Session:
    """Read a session."""
    response = http.send(HttpRequest(method="GET", path=f"/v1/sessions/{session_id}"))
    return Session.model_validate_json(response.content)
