"""Authenticates callers by API keys, which are looked up by their hash before a body is read."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.guards.key_ring import KeyRing
from service.guards.links import read_link
from service.guards.logins import check_page, read_cookie
from service.problems import ServiceProblem, respond
from storage.ledger import ApiKey
from storage.ledger.audit import Actor

BEARER = HTTPBearer(auto_error=False, description="An API key as a bearer token")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key")
PROTECTED = ("/v1/", "/metrics")
ADMIN = ("/v1/tenant", "/v1/keys", "/v1/audit")
# a link lets others read what its key reads
LINKS = "/links"
SEND_KEY = "send an API key as 'Authorization: Bearer mq_…' or 'X-API-Key: mq_…'"


class KeyGuard:
    """Answers 401 under `/v1/` without an open key, and 403 without the scope, before any body is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PROTECTED):
            await self._app(scope, receive, send)
            return
        try:
            key = await find_caller(scope)
            needed = choose_scope(scope["method"], scope["path"])
            if needed not in key.scopes:
                has = ", ".join(sorted(key.scopes))
                detail = f"this needs a key with the scope {needed!r}; yours has {has}"
                raise ServiceProblem("scope_missing", 403, detail)
        except ServiceProblem as refused:
            await respond(refused.problem, refused.headers)(scope, receive, send)
            return
        scope["maquette.key"] = key
        await self._app(scope, receive, send)


async def find_caller(scope: Scope) -> ApiKey:
    """The key of a request, of the link that it follows, or of its login; raises ServiceProblem."""
    state = scope["app"].state.maquette
    secret = read_secret(Headers(scope=scope))
    if secret is None and (link := read_link(scope)) is not None:
        maker: ApiKey | None = await run_in_threadpool(state.links.find_key, link)
        if maker is None:
            detail = "this link has expired, is not valid, or its key was revoked: ask for a new one"
            raise ServiceProblem("link_invalid", 403, detail)
        scope["maquette.link"] = link
        return maker
    if secret is None and (cookie := read_cookie(Headers(scope=scope))) is not None:
        login = await run_in_threadpool(state.logins.find, cookie)
        if login is None:
            detail = "this login has expired, or its key was revoked: log in again"
            raise ServiceProblem("unauthorized", 401, detail, {"WWW-Authenticate": "Bearer"})
        check_page(scope)
        return login.key  # type: ignore[no-any-return]
    ring: KeyRing = state.keys
    key = None if not secret else ring.get_cached(secret) or await run_in_threadpool(ring.find, secret)
    if key is None:
        detail = "this API key is unknown, revoked or expired" if secret else SEND_KEY
        raise ServiceProblem("unauthorized", 401, detail, {"WWW-Authenticate": "Bearer"})
    return key


def choose_scope(method: str, path: str) -> str:
    """The scope that a request needs."""
    if any(path == prefix or path.startswith(f"{prefix}/") for prefix in ADMIN):
        return "admin"
    reads = method in ("GET", "HEAD", "OPTIONS") or path.endswith(LINKS)
    return "read" if reads else "write"


def read_secret(headers: Headers) -> str | None:
    """The secret that a request carries."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    return headers.get("x-api-key")


async def caller(
    request: Request,
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    _header: Annotated[str | None, Security(HEADER)],
) -> ApiKey:
    """The key that `KeyGuard` found; the other parameters describe it in the OpenAPI document."""
    key: ApiKey = request.scope["maquette.key"]
    return key


def find_actor(request: Request) -> Actor:
    """Who sends a request, for the audit log."""
    key: ApiKey = request.scope["maquette.key"]
    return Actor(f"key:{key.id}", None if request.client is None else request.client.host)


Caller = Annotated[ApiKey, Depends(caller)]
