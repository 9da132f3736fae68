"""Video sessions: prompt frames, preview masks, propagate, correct."""

from collections.abc import Iterable
from typing import Any, Self

from maquette import inputs
from maquette._async.http import AsyncHttpClient
from maquette._async.jobs import AsyncJob
from maquette._async.uploads import upload
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


class AsyncVideoSession:
    """A session for annotating a video; use it as a context manager to close it at the end."""

    def __init__(self, data: Session, http: AsyncHttpClient) -> None:
        self.data = data
        self._http = http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} prompts={len(self.data.prompts)}>"

    @property
    def id(self) -> str:
        """The session's id."""
        return self.data.id

    async def prompt(
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
        response = await self._http.send(
            HttpRequest(method="POST", path=path, headers=headers, content=content)
        )
        answer = SessionAnswer.model_validate_json(response.content)
        self.data = answer.session
        if answer.preview is None:
            return PromptResult(answer.object, None)
        preview: AsyncJob[SegmentResult] = AsyncJob(answer.preview, self._http)
        return PromptResult(answer.object, (await preview.wait()).instances[0])

    async def undo(self, index: int = -1) -> Session:
        """Remove a prompt, the last one by default."""
        position = index if index >= 0 else len(self.data.prompts) + index
        path = f"/v1/sessions/{self.id}/prompts/{position}"
        response = await self._http.send(HttpRequest(method="DELETE", path=path))
        self.data = Session.model_validate_json(response.content)
        return self.data

    async def propagate(
        self,
        *,
        direction: Direction = PROPAGATION.direction,
        start_frame: int | None = None,
        max_frames: int | None = None,
        outputs: Iterable[TrackOutput] = PROPAGATION.outputs,
    ) -> AsyncJob[TrackResult]:
        """Track all objects through the video; ids are those of the session."""
        with invalid_requests():
            request = Propagate(
                direction=direction, start_frame=start_frame, max_frames=max_frames, outputs=list(outputs)
            )
        content = request.model_dump_json(exclude_none=True).encode()
        path = f"/v1/sessions/{self.id}/propagate"
        response = await self._http.send(
            HttpRequest(method="POST", path=path, headers=JSON_HEADERS, content=content)
        )
        return AsyncJob(JobData.model_validate_json(response.content), self._http)

    async def refresh(self) -> Session:
        """Read the session again."""
        self.data = await get_session(self._http, self.id)
        return self.data

    async def close(self) -> None:
        """End the session, unless it has ended; results stay."""
        await self._http.send(HttpRequest(method="DELETE", path=f"/v1/sessions/{self.id}", accept=(404,)))


async def open_session(
    http: AsyncHttpClient,
    video: MediaInput,
    *,
    text: Phrases | None,
    threshold: float | None,
    engine: str,
    ttl_seconds: int,
) -> AsyncVideoSession:
    """Upload a video and open a session on it."""
    ref = await upload(http, video)
    with invalid_requests():
        request = OpenSession(
            video=ref.id or "",
            text=inputs.to_phrases(text),
            threshold=threshold,
            engine=engine,
            ttl_seconds=ttl_seconds,
        )
    content = request.model_dump_json().encode()
    response = await http.send(
        HttpRequest(method="POST", path="/v1/sessions", headers=JSON_HEADERS, content=content)
    )
    return AsyncVideoSession(Session.model_validate_json(response.content), http)


async def get_session(http: AsyncHttpClient, session_id: str) -> Session:
    """Read a session."""
    response = await http.send(HttpRequest(method="GET", path=f"/v1/sessions/{session_id}"))
    return Session.model_validate_json(response.content)
