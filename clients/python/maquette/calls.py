"""What the client does, without doing any input or output: generators that ask a driver for it.

One description of each operation serves the blocking and the asynchronous client.
"""

import base64
import hashlib
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import ValidationError

from maquette import errors
from maquette.contract import (
    FINAL_STATES,
    Artefact,
    BodiesJob,
    ConvertJob,
    DatasetJob,
    Engine,
    Engines,
    Job,
    JobPage,
    Media,
    MediaRef,
    ObjectsJob,
    SceneJob,
    SegmentJob,
    TrackJob,
)
from maquette.inputs import media

T = TypeVar("T")
AnyJob = TypeVar("AnyJob", SegmentJob, TrackJob, ObjectsJob, BodiesJob, SceneJob, ConvertJob, DatasetJob)
FIRST_PAUSE = 0.03
LONGEST_PAUSE = 0.5
PIECE = 1 << 20


@dataclass(slots=True)
class Call:
    """An HTTP request to send; the driver answers with the response. `save_to` streams it to a file."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    content: bytes | Path | None = None
    save_to: Path | None = None
    accept: tuple[int, ...] = ()


@dataclass(slots=True)
class Pause:
    """Seconds to wait."""

    seconds: float


Operation = Generator[Call | Pause, httpx.Response | None, T]


def call(request: Call) -> Operation[httpx.Response]:
    """One request; raises ApiError for an answer that is no success."""
    response = yield request
    assert response is not None
    if response.is_success or response.status_code in request.accept:
        return response
    raise errors.error_of(response)


def upload(source: str | bytes | Path) -> Operation[MediaRef]:
    """Send a file unless the service has it; an https address is left to the service."""
    if isinstance(source, str):
        return MediaRef(url=source)
    digest = _sha256(source)
    known = yield from call(Call("GET", f"/v1/uploads/{digest.hex()}", accept=(404,)))
    if known.status_code == 404:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        }
        sent = yield from call(Call("POST", "/v1/uploads", headers, content=source))
        return MediaRef(id=Media.model_validate_json(sent.content).id)
    return MediaRef(id=digest.hex())


def upload_any(source: object) -> Operation[MediaRef]:
    """`upload` for whatever users give."""
    if isinstance(source, MediaRef):
        return source
    return (yield from upload(media(source)))


def describe(ref: MediaRef) -> Operation[Media | None]:
    """What the service knows of an upload; an address is not known before a job fetches it."""
    if ref.id is None:
        return None
    response = yield from call(Call("GET", f"/v1/uploads/{ref.id}"))
    return Media.model_validate_json(response.content)


def submit(building: Operation[AnyJob], idempotency_key: str | None) -> Operation[Job]:
    """Build a request and submit it; the key makes a retry safe. Raises InvalidRequest before sending."""
    try:
        request = yield from building
    except ValidationError as error:
        raise errors.invalid(error) from error
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": idempotency_key or str(uuid.uuid4()),
    }
    content = request.model_dump_json(exclude_none=True).encode()
    response = yield from call(Call("POST", "/v1/jobs", headers, content=content))
    return Job.model_validate_json(response.content)


def get(job_id: str) -> Operation[Job]:
    """One job."""
    response = yield from call(Call("GET", f"/v1/jobs/{job_id}"))
    return Job.model_validate_json(response.content)


def page(kind: str | None, state: str | None, cursor: str | None, limit: int) -> Operation[JobPage]:
    """One page of jobs."""
    params = {"kind": kind, "state": state, "cursor": cursor, "limit": str(limit)}
    given = {key: value for key, value in params.items() if value is not None}
    response = yield from call(Call("GET", "/v1/jobs", params=given))
    return JobPage.model_validate_json(response.content)


def cancel(job_id: str) -> Operation[Job]:
    """Ask a job to stop."""
    response = yield from call(Call("POST", f"/v1/jobs/{job_id}/cancel"))
    return Job.model_validate_json(response.content)


def engines() -> Operation[list[Engine]]:
    """The engines of the service."""
    response = yield from call(Call("GET", "/v1/engines"))
    return Engines.model_validate_json(response.content).engines


def wait(job_id: str, timeout: float | None, told: Callable[[Job], None]) -> Operation[Job]:
    """The job once it succeeded; raises JobFailed, JobCancelled or WaitTimeout."""
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        job = yield from get(job_id)
        told(job)
        if job.state in FINAL_STATES:
            return finished(job)
        if deadline is not None and time.monotonic() + pause > deadline:
            raise errors.WaitTimeout(f"job {job_id} is {job.state} after {timeout:.0f} s")
        yield Pause(pause)
        pause = min(LONGEST_PAUSE, pause * 1.3)


def finished(job: Job) -> Job:
    """A succeeded job; raises JobFailed or JobCancelled for any other end."""
    if job.state == "failed" and job.problem is not None:
        raise errors.JobFailed(job.problem)
    if job.state != "succeeded":
        raise errors.JobCancelled(f"job {job.id} is {job.state}")
    return job


def download(artefact: Artefact, folder: Path) -> Operation[Path]:
    """Stream an artefact to a file of its name; the driver checks the hash."""
    target = folder / Path(artefact.name).name
    if target.is_file() and _sha256(target).hex() == artefact.sha256:
        return target
    yield from call(Call("GET", f"/v1/artefacts/{artefact.sha256}", save_to=target))
    if _sha256(target).hex() != artefact.sha256:
        target.unlink()
        raise errors.MaquetteError(f"{artefact.name} arrived broken: save again")
    return target


def read(artefact: Artefact) -> Operation[bytes]:
    """The bytes of an artefact."""
    response = yield from call(Call("GET", f"/v1/artefacts/{artefact.sha256}"))
    return response.content


def _sha256(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
