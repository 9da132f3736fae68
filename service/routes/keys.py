"""The keys of the caller's tenant, and its audit log: for keys with the scope `admin`."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from maquette.contract import AuditEntry, CreateKey, Key, Keys, KeySecret, RotateKey
from pydantic import AwareDatetime, BeforeValidator

from service.delivery.results import to_datetime
from service.guards.keys import Caller, find_actor
from service.problems import ServiceProblem
from service.state import get_state
from storage.ledger import ApiKey, audit, keys

router = APIRouter(prefix="/v1", tags=["tenant"])
KeyPath = Annotated[str, Path(pattern=r"^[0-9a-f]{1,40}$", description="The id of a key")]


def _refuse_number(value: object) -> object:
    """Numbers are no times, although pydantic reads them as seconds."""
    if not (isinstance(value, str) and "-" in value[1:] and ":" in value):
        raise ValueError("give a time with its zone, as in 2026-01-31T12:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_refuse_number)]
LINES: dict[int | str, dict[str, Any]] = {
    200: {"description": "One AuditEntry per line, oldest first", "content": {"application/jsonl": {}}}
}


@router.get("/keys")
def list_keys(http: Request, key: Caller) -> Keys:
    """The valid keys of your tenant, without their secrets."""
    known = keys.list_open(get_state(http).db)
    return Keys(keys=[_to_key(item) for item in known if item.tenant == key.tenant])


@router.post("/keys", status_code=201)
async def create_key(http: Request, key: Caller, request: CreateKey) -> KeySecret:
    """Create a key of your tenant; the answer has its secret, which is not stored."""
    state = get_state(http)

    def create() -> str:
        return keys.create(
            state.db,
            key.tenant,
            request.name,
            find_actor(http),
            scopes=request.scopes,
            expires_days=request.expires_days,
        )

    try:
        return KeySecret(secret=await state.writes.run(create))
    except keys.InvalidKey as error:
        raise ServiceProblem("invalid_request", 422, f"name: {error}") from None


@router.post("/keys/{key_id}/rotate", status_code=201)
async def rotate_key(http: Request, key: Caller, key_id: KeyPath, request: RotateKey) -> KeySecret:
    """Create a key in place of another one, which expires after the overlap."""
    state = get_state(http)
    secret = await state.writes.run(
        keys.rotate, state.db, key_id, request.overlap_seconds, find_actor(http), tenant=key.tenant
    )
    if secret is None:
        raise _key_unknown(key_id)
    return KeySecret(secret=secret)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(http: Request, key: Caller, key_id: KeyPath) -> None:
    """Revoke a key of your tenant, and with it the links that it has made."""
    state = get_state(http)
    if not await state.writes.run(keys.revoke, state.db, key_id, find_actor(http), tenant=key.tenant):
        raise _key_unknown(key_id)
    state.keys.discard(key_id)


@router.get("/audit", response_class=StreamingResponse, responses=LINES)
def list_acts(
    http: Request,
    key: Caller,
    since: Annotated[Time | None, Query(description="From this time on")] = None,
    until: Annotated[Time | None, Query(description="Up to this time")] = None,
) -> StreamingResponse:
    """Deletions and administrative acts on your tenant, as JSON lines."""
    state = get_state(http)
    acts = audit.list_acts(
        state.db,
        since=0.0 if since is None else since.timestamp(),
        until=None if until is None else until.timestamp(),
        tenant=key.tenant,
    )

    def write_lines() -> Iterator[str]:
        for act in acts:
            names = ("actor", "address", "action", "subject", "detail")
            entry = {"at": to_datetime(act.at), **{name: getattr(act, name) for name in names}}
            yield AuditEntry.model_validate(entry).model_dump_json() + "\n"

    return StreamingResponse(write_lines(), media_type="application/jsonl")


def _to_key(row: ApiKey) -> Key:
    return Key.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "scopes": [scope for scope in keys.SCOPES if scope in row.scopes],
            "created_at": to_datetime(row.created_at),
            "expires_at": to_datetime(row.expires_at),
            "last_used_at": to_datetime(row.last_used_at),
        }
    )


def _key_unknown(key_id: str) -> ServiceProblem:
    return ServiceProblem("key_unknown", 404, f"your tenant has no valid key with the id {key_id}")
