"""The keys of the tenant, and its audit log; both need a key with the scope `admin`."""

from collections.abc import Iterable
from typing import cast

from pydantic import BaseModel

from maquette._async.http import AsyncHttpClient
from maquette.contract import AuditEntry, CreateKey, Key, Keys, KeyScope, KeySecret, RotateKey
from maquette.errors import invalid_requests
from maquette.http import HttpRequest


async def list_keys(http: AsyncHttpClient) -> list[Key]:
    """Read the valid keys."""
    response = await http.send(HttpRequest(method="GET", path="/v1/keys"))
    return Keys.model_validate_json(response.content).keys


async def create_key(
    http: AsyncHttpClient, name: str, scopes: Iterable[str], expires_days: float | None
) -> str:
    """Create a key and return its secret."""
    with invalid_requests():
        request = CreateKey(name=name, scopes=cast(list[KeyScope], list(scopes)), expires_days=expires_days)
    return await _send_for_secret(http, "/v1/keys", request)


async def rotate_key(http: AsyncHttpClient, key_id: str, overlap_seconds: float) -> str:
    """Create a key in place of another one and return its secret."""
    with invalid_requests():
        request = RotateKey(overlap_seconds=overlap_seconds)
    return await _send_for_secret(http, f"/v1/keys/{key_id}/rotate", request)


async def revoke_key(http: AsyncHttpClient, key_id: str) -> None:
    """Revoke a key."""
    await http.send(HttpRequest(method="DELETE", path=f"/v1/keys/{key_id}"))


async def list_acts(http: AsyncHttpClient) -> list[AuditEntry]:
    """Read the audit log of the tenant."""
    response = await http.send(HttpRequest(method="GET", path="/v1/audit"))
    return [AuditEntry.model_validate_json(line) for line in response.content.splitlines()]


async def _send_for_secret(http: AsyncHttpClient, path: str, request: BaseModel) -> str:
    response = await http.send(
        HttpRequest(
            method="POST",
            path=path,
            headers={"Content-Type": "application/json"},
            content=request.model_dump_json().encode(),
        )
    )
    return KeySecret.model_validate_json(response.content).secret
