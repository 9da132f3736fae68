"""What can go wrong, as exceptions that carry the service's stable codes."""

import httpx
from pydantic import ValidationError

from maquette.contract import FieldError, Problem


class MaquetteError(Exception):
    """Anything that this library raises on purpose."""


class ConnectionFailed(MaquetteError):
    """The service cannot be reached, also after retries."""


class ApiError(MaquetteError):
    """The service answered with a problem; `code` is stable, `problem` is the whole answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.detail} [{problem.code}]")
        self.problem = problem

    @property
    def code(self) -> str:
        """The problem's stable code."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The problem's HTTP status."""
        return self.problem.status


class Unauthorized(ApiError):
    """The API key is missing, unknown or revoked (401)."""


class NotFound(ApiError):
    """What was asked for does not exist, or belongs to another tenant (404)."""


class Conflict(ApiError):
    """The request contradicts an earlier one, or comes too early (409)."""


class InvalidRequest(ApiError):
    """The request cannot succeed as it is (400, 413, 415, 422)."""


class ServiceError(ApiError):
    """The service failed (5xx)."""


class JobFailed(ApiError):
    """A job ended as failed; the problem says why."""


class JobCancelled(MaquetteError):
    """A job was cancelled, or expired in the queue."""


class WaitTimeout(MaquetteError):
    """The job was not over in time; it goes on, and can be waited for again."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
}


def error_of(response: httpx.Response) -> ApiError:
    """The exception for an answer that is no success."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValueError:
        text = response.text[:200] or response.reason_phrase
        problem = Problem.from_code(f"http_{response.status_code}", response.status_code, text)
    kind = BY_STATUS.get(response.status_code, ServiceError if response.status_code >= 500 else ApiError)
    return kind(problem)


def invalid(error: ValidationError) -> InvalidRequest:
    """What the service would answer to a request that breaks the contract."""
    wrong = [
        FieldError(loc=list(item["loc"]), message=item["msg"].removeprefix("Value error, "))
        for item in error.errors()
    ]
    where = ".".join(str(part) for part in wrong[0].loc) or "the request"
    detail = f"{where}: {wrong[0].message}"
    return InvalidRequest(Problem.from_code("invalid_request", 422, detail, errors=wrong))
