"""Handles to jobs: read, wait, cancel, follow."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar, cast

import httpx

from maquette import calls
from maquette.contract import Artefact, JobEvent
from maquette.contract import Job as JobData
from maquette.drivers import AsyncDriver, SyncDriver
from maquette.errors import error_of
from maquette.frames import TrackedFrame, frames_of, left_of
from maquette.progress import JobProgressBar, ProgressCallback, ignore_progress
from maquette.results import AnyResult, result_of

Res = TypeVar("Res", bound=AnyResult)
STREAM_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class _Handle(Generic[Res]):
    def __init__(self, data: JobData) -> None:
        self.data = data

    @property
    def id(self) -> str:
        """The job's id."""
        return self.data.id

    @property
    def kind(self) -> str:
        """The kind of job."""
        return self.data.kind

    @property
    def state(self) -> str:
        """The state when it was last read."""
        return self.data.state

    def _note(self, on_progress: ProgressCallback) -> ProgressCallback:
        def note(job: JobData) -> None:
            self.data = job
            on_progress(job)

        return note

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.kind} {self.state}>"


class Job(_Handle[Res]):
    """A job of a blocking client."""

    def __init__(self, data: JobData, driver: SyncDriver) -> None:
        super().__init__(data)
        self._driver = driver

    def refresh(self) -> "Job[Res]":
        """Read the job again."""
        self.data = self._driver.run(calls.get(self.id))
        return self

    def wait(self, *, progress: bool | ProgressCallback = False, timeout: float | None = None) -> Res:
        """Wait for the result; raises JobFailed, JobCancelled or WaitTimeout."""
        if progress is True:
            with JobProgressBar() as bar:
                return self._wait(bar, timeout)
        return self._wait(progress or ignore_progress, timeout)

    def result(self) -> Res:
        """The result of a job that is over; raises as `wait` does."""
        return cast(Res, result_of(calls.finished(self.refresh().data), self._driver.run))

    def cancel(self) -> "Job[Res]":
        """Ask the job to stop."""
        self.data = self._driver.run(calls.cancel(self.id))
        return self

    def events(self, after: int = 0) -> Iterator[JobEvent]:
        """Every event of the job, from the start or after a sequence number, until it is over."""
        with self._driver.client.stream(
            "GET",
            f"/v1/jobs/{self.id}/events",
            headers={"Last-Event-ID": str(after)},
            timeout=STREAM_TIMEOUT,
        ) as response:
            if not response.is_success:
                response.read()
                raise error_of(response)
            for line in response.iter_lines():
                if line.startswith("data: "):
                    yield JobEvent.model_validate_json(line[6:])

    def frames(self) -> Iterator[TrackedFrame]:
        """The frames of a track job, 48 at a time as they are ready; raises JobFailed or JobCancelled."""
        told: set[str] = set()
        for event in self.events():
            if event.type == "artefact":
                artefact = Artefact.model_validate(event.data)
                if artefact.role == "masks" and artefact.name not in told:
                    told.add(artefact.name)
                    yield from frames_of(self._driver.run(calls.read(artefact)))
        for artefact in left_of(calls.finished(self.refresh().data), told):
            yield from frames_of(self._driver.run(calls.read(artefact)))

    def _wait(self, on_progress: ProgressCallback, timeout: float | None) -> Res:
        done = self._driver.run(calls.wait(self.id, timeout, self._note(on_progress)))
        return cast(Res, result_of(done, self._driver.run))


class AsyncJob(_Handle[Res]):
    """A job of an asynchronous client."""

    def __init__(self, data: JobData, driver: AsyncDriver) -> None:
        super().__init__(data)
        self._driver = driver

    async def refresh(self) -> "AsyncJob[Res]":
        """Read the job again."""
        self.data = await self._driver.run(calls.get(self.id))
        return self

    async def wait(self, *, progress: bool | ProgressCallback = False, timeout: float | None = None) -> Res:
        """Wait for the result; raises JobFailed, JobCancelled or WaitTimeout."""
        if progress is True:
            with JobProgressBar() as bar:
                return await self._wait(bar, timeout)
        return await self._wait(progress or ignore_progress, timeout)

    async def result(self) -> Res:
        """The result of a job that is over; raises as `wait` does."""
        await self.refresh()
        return cast(Res, result_of(calls.finished(self.data), self._driver.run))

    async def cancel(self) -> "AsyncJob[Res]":
        """Ask the job to stop."""
        self.data = await self._driver.run(calls.cancel(self.id))
        return self

    async def events(self, after: int = 0) -> AsyncIterator[JobEvent]:
        """Every event of the job, from the start or after a sequence number, until it is over."""
        async with self._driver.client.stream(
            "GET",
            f"/v1/jobs/{self.id}/events",
            headers={"Last-Event-ID": str(after)},
            timeout=STREAM_TIMEOUT,
        ) as response:
            if not response.is_success:
                await response.aread()
                raise error_of(response)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    yield JobEvent.model_validate_json(line[6:])

    async def frames(self) -> AsyncIterator[TrackedFrame]:
        """The frames of a track job, 48 at a time as they are ready; raises JobFailed or JobCancelled."""
        told: set[str] = set()
        async for event in self.events():
            if event.type == "artefact":
                artefact = Artefact.model_validate(event.data)
                if artefact.role == "masks" and artefact.name not in told:
                    told.add(artefact.name)
                    for frame in frames_of(await self._driver.run(calls.read(artefact))):
                        yield frame
        await self.refresh()
        for artefact in left_of(calls.finished(self.data), told):
            for frame in frames_of(await self._driver.run(calls.read(artefact))):
                yield frame

    async def _wait(self, on_progress: ProgressCallback, timeout: float | None) -> Res:
        done = await self._driver.run(calls.wait(self.id, timeout, self._note(on_progress)))
        return cast(Res, result_of(done, self._driver.run))


AnyJob = Job[Any]
