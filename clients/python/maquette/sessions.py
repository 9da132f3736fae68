"""Handles to video sessions: prompt, look, propagate, correct."""

from collections.abc import Iterable
from typing import Any, Self

from maquette import session_calls
from maquette.contract import Direction, Session, TrackOutput
from maquette.drivers import AsyncDriver, SyncDriver
from maquette.handles import AsyncJob, Job
from maquette.results import Instance, SegmentResult, TrackResult

PREVIEW_SECONDS = 30.0


class Prompted:
    """What a prompt did: `object` is the id of its object, `preview` its mask on the frame.

    The preview is None where the prompt removes an object.
    """

    def __init__(self, object: int, preview: Instance | None) -> None:
        self.object = object
        self.preview = preview


class _Handle:
    def __init__(self, data: Session) -> None:
        self.data = data

    @property
    def id(self) -> str:
        """The session's id."""
        return self.data.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} prompts={len(self.data.prompts)}>"


class VideoSession(_Handle):
    """A session of a blocking client; use it in a `with` block to close it at the end."""

    def __init__(self, data: Session, driver: SyncDriver) -> None:
        super().__init__(data)
        self._driver = driver

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def prompt(
        self,
        frame: int,
        *,
        box: Any = None,
        points: Iterable[Any] | None = None,
        mask: Any = None,
        object: int | None = None,
        remove: bool = False,
    ) -> Prompted:
        """Start an object on a frame, or mend or remove the one with the id `object`; its mask there."""
        asked = (frame, box, points, mask, object, remove, PREVIEW_SECONDS)
        answer = self._driver.run(session_calls.add_prompt(self.id, *asked))
        self.data = answer.session
        if answer.preview is None:
            return Prompted(answer.object, None)
        shown: Job[SegmentResult] = Job(answer.preview, self._driver)
        return Prompted(answer.object, shown.wait().instances[0])

    def undo(self, index: int = -1) -> Session:
        """Take a prompt back, the last one by default."""
        self.data = self._driver.run(session_calls.drop_prompt(self.id, _place(self.data, index)))
        return self.data

    def propagate(
        self,
        *,
        direction: Direction = "forward",
        start_frame: int | None = None,
        max_frames: int | None = None,
        outputs: Iterable[TrackOutput] = (),
    ) -> Job[TrackResult]:
        """Follow all objects through the video; ids are those of the session."""
        options = _propagation(direction, start_frame, max_frames, outputs)
        return Job(self._driver.run(session_calls.propagate(self.id, options)), self._driver)

    def refresh(self) -> Session:
        """Read the session again."""
        self.data = self._driver.run(session_calls.get_session(self.id))
        return self.data

    def close(self) -> None:
        """End the session; results stay."""
        self._driver.run(session_calls.close_session(self.id))


class AsyncVideoSession(_Handle):
    """A session of an asynchronous client."""

    def __init__(self, data: Session, driver: AsyncDriver) -> None:
        super().__init__(data)
        self._driver = driver

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def prompt(
        self,
        frame: int,
        *,
        box: Any = None,
        points: Iterable[Any] | None = None,
        mask: Any = None,
        object: int | None = None,
        remove: bool = False,
    ) -> Prompted:
        """Start an object on a frame, or mend or remove the one with the id `object`; its mask there."""
        asked = (frame, box, points, mask, object, remove, PREVIEW_SECONDS)
        answer = await self._driver.run(session_calls.add_prompt(self.id, *asked))
        self.data = answer.session
        if answer.preview is None:
            return Prompted(answer.object, None)
        shown: AsyncJob[SegmentResult] = AsyncJob(answer.preview, self._driver)
        return Prompted(answer.object, (await shown.wait()).instances[0])

    async def undo(self, index: int = -1) -> Session:
        """Take a prompt back, the last one by default."""
        self.data = await self._driver.run(session_calls.drop_prompt(self.id, _place(self.data, index)))
        return self.data

    async def propagate(
        self,
        *,
        direction: Direction = "forward",
        start_frame: int | None = None,
        max_frames: int | None = None,
        outputs: Iterable[TrackOutput] = (),
    ) -> AsyncJob[TrackResult]:
        """Follow all objects through the video; ids are those of the session."""
        options = _propagation(direction, start_frame, max_frames, outputs)
        return AsyncJob(await self._driver.run(session_calls.propagate(self.id, options)), self._driver)

    async def refresh(self) -> Session:
        """Read the session again."""
        self.data = await self._driver.run(session_calls.get_session(self.id))
        return self.data

    async def close(self) -> None:
        """End the session; results stay."""
        await self._driver.run(session_calls.close_session(self.id))


def _place(session: Session, index: int) -> int:
    return index if index >= 0 else len(session.prompts) + index


def _propagation(
    direction: Direction, start_frame: int | None, max_frames: int | None, outputs: Iterable[TrackOutput]
) -> dict[str, Any]:
    return {
        "direction": direction,
        "start_frame": start_frame,
        "max_frames": max_frames,
        "outputs": list(outputs),
    }
