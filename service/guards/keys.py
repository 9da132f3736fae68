"""Authenticates callers by API keys, which are looked up by their hash before a body is read."""

import time
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from maquette.contract import Problem
from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problems import respond
from storage.ledger import ApiKey, Database, keys
from storage.ledger.audit import Actor

BEARER = HTTPBearer(auto_error=False, description="An API key as a bearer token")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key")
PROTECTED = ("/v1/", "/metrics")
ADMIN = ("/v1/tenant",)
CACHE_SIZE = 10_000
SEND_KEY = "send an API key as 'Authorization: Bearer mq_…' or 'X-API-Key: mq_…'"


class KeyRing:
    """Looks keys up, and caches open ones for a short while."""

    def __init__(self, db: Database, cache_seconds: float) -> None:
        self._db = db
        self._seconds = cache_seconds
        self._known: dict[str, tuple[float, ApiKey]] = {}

    def get_cached(self, secret: str) -> ApiKey | None:
        """A key that was looked up recently."""
        known = self._known.get(keys.hash_key(secret))
        return known[1] if known and known[0] > time.monotonic() else None

    def find(self, secret: str) -> ApiKey | None:
        """A key by its secret, from the ledger."""
        key = keys.find(self._db, secret)
        if key is not None:
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            left = self._seconds if key.remaining_seconds is None else key.remaining_seconds
            self._known[keys.hash_key(secret)] = (time.monotonic() + min(self._seconds, left), key)
            with suppress(OperationalError):
                # a locked ledger must not keep anybody out
                keys.record_use(self._db, key)
        return key


class KeyGuard:
    """Answers 401 under `/v1/` without an open key, and 403 without the scope, before any body is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PROTECTED):
            await self._app(scope, receive, send)
            return
        secret = read_secret(Headers(scope=scope))
        key = None
        if secret:
            ring: KeyRing = scope["app"].state.maquette.keys
            key = ring.get_cached(secret) or await run_in_threadpool(ring.find, secret)
        if key is None:
            detail = "this API key is unknown, revoked or expired" if secret else SEND_KEY
            problem = Problem.from_code("unauthorized", 401, detail)
            response = respond(problem, {"WWW-Authenticate": "Bearer"})
            await response(scope, receive, send)
            return
        needed = choose_scope(scope["method"], scope["path"])
        if needed not in key.scopes:
            detail = f"this needs a key with the scope {needed!r}; yours has {', '.join(sorted(key.scopes))}"
            await respond(Problem.from_code("scope_missing", 403, detail))(scope, receive, send)
            return
        scope["maquette.key"] = key
        await self._app(scope, receive, send)


def choose_scope(method: str, path: str) -> str:
    """The scope that a request needs."""
    if path.rstrip("/") in ADMIN:
        return "admin"
    return "read" if method in ("GET", "HEAD", "OPTIONS") else "write"


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
