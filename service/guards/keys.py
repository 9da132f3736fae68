"""Who is asking: API keys, looked up by their hash."""

import time
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from service.problems import ServiceProblem
from storage.ledger import ApiKey, Database, keys

BEARER = HTTPBearer(auto_error=False, description="An API key as a bearer token")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key")
CACHE_SIZE = 10_000


class KeyRing:
    """Looks keys up, and remembers open ones for a short while."""

    def __init__(self, db: Database, cache_seconds: float) -> None:
        self._db = db
        self._seconds = cache_seconds
        self._known: dict[str, tuple[float, ApiKey]] = {}

    def cached(self, secret: str) -> ApiKey | None:
        """A key that was looked up lately."""
        known = self._known.get(keys.hash_key(secret))
        return known[1] if known and known[0] > time.monotonic() else None

    def find(self, secret: str) -> ApiKey | None:
        """A key by its secret, from the ledger."""
        key = keys.find(self._db, secret)
        if key is not None:
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[keys.hash_key(secret)] = (time.monotonic() + self._seconds, key)
        return key


async def caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    header: Annotated[str | None, Security(HEADER)],
) -> ApiKey:
    """The key of a request; 401 without an open one."""
    secret = bearer.credentials if bearer else header
    if not secret:
        raise _unauthorized("send an API key as 'Authorization: Bearer mq_…' or 'X-API-Key: mq_…'")
    ring: KeyRing = request.app.state.maquette.keys
    key = ring.cached(secret) or await run_in_threadpool(ring.find, secret)
    if key is None:
        raise _unauthorized("this API key is unknown or revoked")
    return key


def _unauthorized(detail: str) -> ServiceProblem:
    return ServiceProblem("unauthorized", 401, detail, {"WWW-Authenticate": "Bearer"})


Caller = Annotated[ApiKey, Depends(caller)]
