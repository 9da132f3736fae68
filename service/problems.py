"""Errors of the gateway as problem+json."""

import errno
import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from maquette.contract import Problem
from maquette.contract.field_errors import explain_field
from maquette.contract.problems import MEDIA_TYPE
from maquette.contract.vocabulary import UnknownPhrase
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from media.errors import MediaError
from service.guards.semantics import answers_head
from storage.artefacts import ArtefactMissing
from storage.ledger.deletion import StillNeeded
from storage.ledger.usage import LimitReached

log = logging.getLogger(__name__)
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 400: "bad_request", 413: "body_too_large"}
JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json\s*(;|$)", re.IGNORECASE)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
RETRY = {"Retry-After": "1"}
MAX_FIELD_ERRORS = 20
# after how long a queued job may have started, and another one fits
QUEUE_RETRY_SECONDS = 5


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
    _install_refusals(app)

    @app.exception_handler(ServiceProblem)
    async def _service(_request: Request, error: ServiceProblem) -> Response:
        return respond(error.problem, error.headers)

    @app.exception_handler(MediaError)
    async def _media(_request: Request, error: MediaError) -> Response:
        return respond(Problem.from_code(error.code, error.status, error.detail))

    @app.exception_handler(ArtefactMissing)
    async def _lost(request: Request, error: ArtefactMissing) -> Response:
        log.error("%s %s: %s is in the ledger and not in the store", request.method, request.url.path, error)
        detail = "a file of this result is lost: run the job again"
        return respond(Problem.from_code("artefact_gone", 410, detail))

    @app.exception_handler(UnknownPhrase)
    async def _phrase(_request: Request, error: UnknownPhrase) -> Response:
        return respond(error.problem())

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = [explain_field(item) for item in error.errors()[:MAX_FIELD_ERRORS]]
        where = ".".join(str(part) for part in wrong[0].loc) or "the request"
        detail = f"{where}: {wrong[0].message}"
        if not wrong[0].loc and not JSON_TYPE.match(request.headers.get("content-type", "")):
            detail = "the request is not marked as JSON: send the header 'Content-Type: application/json'"
        return respond(Problem.from_code("invalid_request", 422, detail, errors=wrong))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        code = HTTP_CODES.get(error.status_code, f"http_{error.status_code}")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
        return respond(Problem.from_code(code, error.status_code, str(error.detail)), headers)

    @app.exception_handler(OperationalError)
    async def _ledger(request: Request, error: OperationalError) -> Response:
        log.warning("%s %s: the ledger: %s", request.method, request.url.path, error.orig)
        if "disk is full" in str(error.orig) or "No space left" in str(error.orig):
            return respond(storage_full())
        detail = "the ledger is busy or cannot be reached: try again"
        return respond(Problem.from_code("ledger_unavailable", 503, detail), RETRY)

    @app.exception_handler(OSError)
    async def _system(request: Request, error: OSError) -> Response:
        if error.errno in FULL:
            log.error("%s %s: the disk is full", request.method, request.url.path)
            return respond(storage_full())
        return _failed(request, error)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        return _failed(request, error)


def _install_refusals(app: FastAPI) -> None:
    """Answer what the ledger refuses: deletions of what is needed, and more than a tenant may use."""

    @app.exception_handler(StillNeeded)
    async def _needed(_request: Request, error: StillNeeded) -> Response:
        return respond(Problem.from_code("still_needed", 409, str(error)))

    @app.exception_handler(LimitReached)
    async def _limit(_request: Request, error: LimitReached) -> Response:
        return respond(*explain_limit(error))


def explain_limit(error: LimitReached) -> tuple[Problem, dict[str, str]]:
    """The problem of a tenant that would use more than it may, and its headers."""
    if error.name == "stored_bytes":
        detail = f"your tenant may store {error.limit:,.0f} bytes: delete jobs or uploads"
        return Problem.from_code("storage_quota_exceeded", 413, detail), {}
    detail = f"your tenant may have {error.limit:,.0f} queued jobs: wait until some have started"
    headers = {
        "Retry-After": str(QUEUE_RETRY_SECONDS),
        "RateLimit-Policy": f'"queued-jobs";q={error.limit:.0f}',
        "RateLimit": f'"queued-jobs";r=0;t={QUEUE_RETRY_SECONDS}',
    }
    return Problem.from_code("too_many_jobs", 429, detail), headers


def storage_full() -> Problem:
    """The problem of a request for which no space is left."""
    detail = "the service has no space left: nothing was kept; the operator has to free some"
    return Problem.from_code("storage_full", 507, detail)


def _failed(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    problem = Problem.from_code("internal_error", 500, "the service failed on this request; nothing was lost")
    # what is left of the request's body may not have been read
    return respond(problem, {"Connection": "close"})


def _allowed_methods(request: Request) -> set[str]:
    """The methods of all routes for a path (RFC 9110, 15.5.6); Starlette names those of the first one."""
    methods: set[str] = set()
    for route in request.app.routes:
        for method in METHODS:
            match, _ = route.matches({**request.scope, "method": method})
            if match is Match.FULL:
                methods.add(method)
    return methods | {"HEAD"} if answers_head(request.app.routes, request.scope) else methods
