"""Logging the Playground in and out: for browsers alone, and so no part of the OpenAPI document."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from maquette.contract.base import RequestModel
from pydantic import Field
from starlette.datastructures import Headers

from service.guards.logins import COOKIE, Login, check_page, read_cookie
from service.problems import ServiceProblem
from service.state import State, get_state
from storage.ledger import ApiKey, audit, keys, login_codes
from storage.ledger.audit import Actor

router = APIRouter(prefix="/login", include_in_schema=False)
Text = Annotated[str, Field(min_length=1, max_length=200)]


class LogIn(RequestModel):
    """An API key, or the code of a link that works once."""

    key: Text | None = None
    code: Text | None = None


@router.get("", response_model=None)
async def get_login(http: Request) -> dict[str, object] | Response:
    """Who is logged in; 204 where nobody is."""
    cookie = read_cookie(Headers(scope=http.scope))
    login = await run_in_threadpool(get_state(http).logins.find, cookie) if cookie else None
    return Response(status_code=204) if login is None else _describe(login)


@router.post("")
async def log_in(http: Request, response: Response, request: LogIn) -> dict[str, object]:
    """Exchange a key, or the code of a login link, for a cookie."""
    check_page(http.scope)
    state = get_state(http)
    key = await state.writes.run(_find_key, state, request)
    if key is None:
        what = "this API key is unknown, revoked or expired"
        if request.key is None:
            what = (
                "this login link was used before, or has expired: log in with an API key, or make a new link"
            )
        raise ServiceProblem("unauthorized", 401, what)
    value, login = state.logins.make(key)
    await state.writes.run(_record, state, key, None if http.client is None else http.client.host)
    response.set_cookie(
        COOKIE,
        value,
        expires=datetime.fromtimestamp(login.expires, UTC),
        httponly=True,
        samesite="strict",
        secure=http.url.scheme == "https",
    )
    return _describe(login)


@router.delete("", status_code=204)
async def log_out(http: Request, response: Response) -> None:
    """Remove the cookie from the browser."""
    check_page(http.scope)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=http.url.scheme == "https")


def _find_key(state: State, request: LogIn) -> ApiKey | None:
    if request.key is not None:
        return state.keys.find(request.key.strip())
    key_id = login_codes.take(state.db, request.code) if request.code is not None else None
    return keys.find_by_id(state.db, key_id) if key_id is not None else None


def _record(state: State, key: ApiKey, address: str | None) -> None:
    with state.db.write() as connection:
        audit.record(connection, Actor(f"key:{key.id}", address), "login", tenant=key.tenant, subject=key.id)


def _describe(login: Login) -> dict[str, object]:
    return {
        "tenant": login.key.tenant,
        "name": login.key.name,
        "scopes": [scope for scope in keys.SCOPES if scope in login.key.scopes],
        "expires_at": datetime.fromtimestamp(login.expires, UTC).isoformat(),
    }
