"""Errors of the gateway as problem+json."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from maquette.contract import FieldError, Problem
from maquette.contract.problems import MEDIA_TYPE
from maquette.contract.vocabulary import UnknownPhrase
from starlette.exceptions import HTTPException

from media.errors import MediaError

log = logging.getLogger(__name__)


class ServiceProblem(Exception):
    """Ends a request with a problem; `code` is stable, `detail` says what to do."""

    def __init__(
        self, code: str, status: int, detail: str, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.problem = Problem.from_code(code, status, detail, **extra)
        self.headers = headers


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """A problem as a response."""
    return Response(
        problem.model_dump_json(exclude_none=True), problem.status, headers, media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""

    @app.exception_handler(ServiceProblem)
    async def _service(_request: Request, error: ServiceProblem) -> Response:
        return respond(error.problem, error.headers)

    @app.exception_handler(MediaError)
    async def _media(_request: Request, error: MediaError) -> Response:
        return respond(Problem.from_code(error.code, error.status, error.detail))

    @app.exception_handler(UnknownPhrase)
    async def _phrase(_request: Request, error: UnknownPhrase) -> Response:
        return respond(error.problem())

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Response:
        wrong = [_field(item) for item in error.errors()]
        first = wrong[0]
        where = ".".join(str(part) for part in first.loc) or "the request"
        return respond(Problem.from_code("invalid_request", 422, f"{where}: {first.message}", errors=wrong))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> Response:
        codes = {404: "not_found", 405: "method_not_allowed", 400: "bad_request", 413: "body_too_large"}
        code = codes.get(error.status_code, f"http_{error.status_code}")
        headers = dict(error.headers) if error.headers else None
        return respond(Problem.from_code(code, error.status_code, str(error.detail)), headers)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return respond(
            Problem.from_code("internal_error", 500, "the service failed on this request; nothing was lost")
        )


def _field(item: Any) -> FieldError:
    loc = [part for part in item["loc"] if part != "body"]
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "json_invalid":
        message = f"the body is not valid JSON: {item['ctx']['error']}"
    return FieldError(loc=loc, message=message)
