"""API keys of a tenant, and what was done with them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from maquette.contract.base import RequestModel, ResponseModel

KeyScope = Literal["read", "write", "admin"]


class CreateKey(RequestModel):
    """Create a key."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """What the key is for."""
    scopes: Annotated[list[KeyScope], Field(min_length=1, max_length=3)] = ["read", "write"]
    """What it may do: read; write (upload, submit, cancel, delete); admin (keys, audit, everything)."""
    expires_days: Annotated[float, Field(strict=True, gt=0, le=36_500)] | None = None
    """After how many days it expires; null is never."""


class RotateKey(RequestModel):
    """Create a key in place of another one."""

    overlap_seconds: Annotated[float, Field(strict=True, ge=0, le=30 * 86_400)] = 86_400
    """How long the old key stays valid beside the new one."""


class Key(ResponseModel):
    """A valid key; its secret is not stored."""

    id: str
    name: str
    scopes: list[KeyScope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """When it was used last, to the minute."""


class Keys(ResponseModel):
    """The valid keys of a tenant, oldest first."""

    keys: list[Key]


class KeySecret(ResponseModel):
    """A new key, with its secret this once."""

    secret: str


class AuditEntry(ResponseModel):
    """One deletion or administrative act; never contents."""

    at: datetime
    actor: str
    """`key:` with the id of a key, `operator:` with a user, `retention` or `service`."""
    address: str | None
    action: str
    subject: str | None
    """The id or the hash of what was acted on."""
    detail: dict[str, Any]
