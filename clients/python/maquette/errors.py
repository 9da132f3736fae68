"""Exceptions of the client; those of the service carry its stable codes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from pydantic import ValidationError

from maquette.contract import Job, Problem
from maquette.contract.field_errors import explain_field


class MaquetteError(Exception):
    """Base of all exceptions of this library."""


class ExtraMissing(MaquetteError):
    """An optional dependency is not installed; the message has the command that installs it."""

    code = "extra_missing"


class ConnectionFailed(MaquetteError):
    """The service could not be reached, even after retries."""

    code = "connection_failed"


class ApiError(MaquetteError):
    """The service answered with an error; `problem` is its answer."""

    def __init__(self, problem: Problem) -> None:
        detail, *help_lines = problem.explain().split("\n")
        super().__init__("\n".join([f"{detail} [{problem.code}]", *help_lines]))
        self.problem = problem

    @property
    def code(self) -> str:
        """The problem's stable code."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The problem's HTTP status."""
        return self.problem.status


class OutputExists(MaquetteError):
    """Saving would replace files that are there already; nothing was written."""

    code = "output_exists"


class OutputNotWritten(MaquetteError):
    """A file of a result cannot be written on this machine; the result stays on the service."""

    code = "output_not_written"


class Unauthorized(ApiError):
    """The API key is missing, unknown or revoked (401)."""


class Forbidden(ApiError):
    """The API key lacks the scope that the request needs (403)."""


class NotFound(ApiError):
    """The resource does not exist, or belongs to another tenant (404)."""


class Conflict(ApiError):
    """The request conflicts with an earlier one, or comes too early (409)."""


class InvalidRequest(ApiError):
    """The request is invalid (400, 413, 415, 422)."""


class Gone(ApiError):
    """The file of a result or of an upload is lost (410); run its job again."""


class LimitReached(ApiError):
    """The tenant sends or queues more than it may (429), and went on doing so while the client waited."""


class ServiceError(ApiError):
    """The service failed (5xx)."""


class StorageFull(ServiceError):
    """The service has no space left (507); nothing was kept, and its operator has to free some."""


class JobFailed(ApiError):
    """A job failed; the problem says why."""


class JobCancelled(MaquetteError):
    """A job was cancelled, or expired in the queue."""

    code = "cancelled"


class WaitTimeout(MaquetteError):
    """The job did not finish in time; it continues and can be waited for again."""

    code = "wait_timeout"


BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: LimitReached,
    507: StorageFull,
}


def parse_error(response: httpx.Response) -> ApiError:
    """Return the exception for an error response."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValueError:
        text = response.text[:200] or response.reason_phrase
        problem = Problem.from_code(f"http_{response.status_code}", response.status_code, text)
    kind = BY_STATUS.get(response.status_code, ServiceError if response.status_code >= 500 else ApiError)
    return kind(problem)


@contextmanager
def naming_file(content: bytes | Path) -> Iterator[None]:
    """Put the name of an uploaded file before the detail of the service's answer."""
    try:
        yield
    except ApiError as error:
        if isinstance(content, Path):
            detail = f"{content.name}: {error.problem.detail}"
            raise type(error)(error.problem.model_copy(update={"detail": detail})) from error
        raise


def raise_for_state(job: Job) -> None:
    """Raise JobFailed or JobCancelled unless the job succeeded."""
    if job.state == "failed" and job.problem is not None:
        raise JobFailed(job.problem)
    if job.state != "succeeded":
        raise JobCancelled(f"{job.id} is {job.state}")


@contextmanager
def invalid_requests() -> Iterator[None]:
    """Raise InvalidRequest, as the service would, where building a request breaks the contract."""
    try:
        yield
    except ValidationError as error:
        raise to_invalid_request(error) from error


def to_invalid_request(error: ValidationError) -> InvalidRequest:
    """Return what the service would answer to a request that breaks the contract."""
    errors = [explain_field(item) for item in error.errors()]
    where = ".".join(str(part) for part in errors[0].loc) or "the request"
    detail = f"{where}: {errors[0].message}"
    return InvalidRequest(Problem.from_code("invalid_request", 422, detail, errors=errors))


def artefacts_gone(names: Sequence[str], folder: Path) -> Gone:
    """Return the error for files of a result that the service has lost; the others are in the folder."""
    detail = f"the service has lost {', '.join(names)}: run the job again; what it has is in {folder}"
    return Gone(Problem.from_code("artefact_gone", 410, detail))
