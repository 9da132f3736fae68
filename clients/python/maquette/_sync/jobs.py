# Generated from maquette/_async/jobs.py by scripts/generate_sync.py: do not edit.
"""Handles to jobs: read, wait for, cancel and stream them."""

import time
import uuid
from collections.abc import Iterator
from functools import partial
from time import monotonic
from typing import Any, Generic, Self, TypeVar, cast

from maquette._sync.artefacts import read_artefact, save_result
from maquette._sync.http import HttpClient
from maquette.contract import FINAL_STATES, Artefact, JobEvent, JobPage
from maquette.contract import Job as JobData
from maquette.contract.requests import JobBase
from maquette.errors import WaitTimeout, raise_for_state
from maquette.frames import TrackedFrame, parse_frames
from maquette.hashing import sha256
from maquette.html_tables import render_fields
from maquette.http import HttpRequest
from maquette.progress import ProgressCallback, ignore_progress, show_progress
from maquette.results import AnyResult, build_result

Res = TypeVar("Res", bound=AnyResult)
# short jobs end within a few polls, long ones are not polled in vain
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS, POLL_GROWTH = 0.03, 0.5, 1.3


class Job(Generic[Res]):
    """A job on the service: read it, wait for it, cancel it, or stream its events."""

    def __init__(self, data: JobData, http: HttpClient) -> None:
        self.data = data
        self._http = http

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
        """The state when the job was last read."""
        return self.data.state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.kind} {self.state}>"

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        problem, step = self.data.problem, self.data.progress
        known = {
            "kind": self.kind,
            "state": self.state,
            "stage": None if step is None else step.stage,
            "problem": None if problem is None else f"{problem.code}: {problem.detail}",
        }
        return render_fields(f"{type(self).__name__} {self.id}", known)

    def refresh(self) -> Self:
        """Read the job again."""
        self.data = get_job(self._http, self.id)
        return self

    def wait(self, *, progress: bool | ProgressCallback = False, timeout: float | None = None) -> Res:
        """Wait for the result, `timeout` seconds at most; raises JobFailed, JobCancelled or WaitTimeout.

        `progress` shows a bar on the terminal, prints lines where there is none, or is called with each state
        of the job.
        """
        if progress is True:
            with show_progress() as show:
                return self._poll(show, timeout)
        return self._poll(progress or ignore_progress, timeout)

    def result(self) -> Res:
        """Return the result of a finished job; raises as `wait` does."""
        self.refresh()
        return self._build_result()

    def cancel(self) -> Self:
        """Ask the job to stop."""
        response = self._http.send(HttpRequest(method="POST", path=f"/v1/jobs/{self.id}/cancel"))
        self.data = JobData.model_validate_json(response.content)
        return self

    def delete(self) -> None:
        """Delete the job, which has ended, with its events and its result.

        Raises Conflict while it, or a job that continues it, has not ended.
        """
        delete_job(self._http, self.id)

    def events(self, after: int = 0) -> Iterator[JobEvent]:
        """Yield every event of the job, from the start or after a sequence number, until the job ends."""
        headers = {"Last-Event-ID": str(after)}
        for line in self._http.stream_lines(f"/v1/jobs/{self.id}/events", headers):
            if line.startswith("data: "):
                yield JobEvent.model_validate_json(line[6:])

    def frames(self) -> Iterator[TrackedFrame]:
        """Yield the frames of a track job, 48 at a time, while it runs; raises JobFailed or JobCancelled."""
        read: set[str] = set()
        for event in self.events():
            if event.type == "artefact":
                artefact = Artefact.model_validate(event.data)
                if artefact.role == "masks" and artefact.name not in read:
                    read.add(artefact.name)
                    for frame in parse_frames(read_artefact(self._http, artefact)):
                        yield frame
        # artefacts that no event announced, because the stream was cut
        result = self.result()
        for artefact in result.artefacts:
            if artefact.role == "masks" and artefact.name not in read:
                for frame in parse_frames(read_artefact(self._http, artefact)):
                    yield frame

    def _poll(self, on_progress: ProgressCallback, timeout: float | None) -> Res:
        deadline = None if timeout is None else monotonic() + timeout
        pause = FIRST_POLL_SECONDS
        while True:
            self.refresh()
            on_progress(self.data)
            if self.state in FINAL_STATES:
                return self._build_result()
            if deadline is not None and monotonic() + pause > deadline:
                raise WaitTimeout(f"{self.id} is {self.state} after {timeout:.0f} s")
            time.sleep(pause)
            pause = min(LONGEST_POLL_SECONDS, pause * POLL_GROWTH)

    def _build_result(self) -> Res:
        raise_for_state(self.data)
        return cast(Res, build_result(self.data, partial(save_result, self._http)))


def submit_job(http: HttpClient, request: JobBase, idempotency_key: str | None) -> Job[Any]:
    """Submit a job; the key makes it safe to submit again.

    Of a client that joins running jobs, the key is the request's hash, and free once its job has ended.
    """
    content = request.model_dump_json(exclude_none=True).encode()
    headers = {"Content-Type": "application/json"}
    if idempotency_key is None and http.join_running:
        headers["Idempotency-Key"] = f"content-{sha256(content).hex()}"
        headers["Idempotency-Scope"] = "active"
    else:
        headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
    response = http.send(HttpRequest(method="POST", path="/v1/jobs", headers=headers, content=content))
    return Job(JobData.model_validate_json(response.content), http)


def get_job(http: HttpClient, job_id: str) -> JobData:
    """Read a job."""
    response = http.send(HttpRequest(method="GET", path=f"/v1/jobs/{job_id}"))
    return JobData.model_validate_json(response.content)


def delete_job(http: HttpClient, job_id: str) -> None:
    """Delete a job."""
    http.send(HttpRequest(method="DELETE", path=f"/v1/jobs/{job_id}"))


def list_jobs(
    http: HttpClient, kind: str | None, state: str | None, prefix: str | None
) -> Iterator[Job[Any]]:
    """Yield all jobs, newest first, page by page."""
    cursor: str | None = None
    while True:
        params = {"kind": kind, "state": state, "prefix": prefix, "cursor": cursor, "limit": "100"}
        known = {name: value for name, value in params.items() if value is not None}
        response = http.send(HttpRequest(method="GET", path="/v1/jobs", params=known))
        page = JobPage.model_validate_json(response.content)
        for data in page.jobs:
            yield Job(data, http)
        cursor = page.next_cursor
        if cursor is None:
            return
