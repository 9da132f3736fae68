"""API keys: 256 random bits, of which only the hash is kept. They have scopes, and may expire."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.ledger import audit
from storage.ledger.audit import SERVICE, Actor
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.records import ApiKey
from storage.ledger.tables import api_keys

PREFIX = "mq_"
SCOPES = ("read", "write", "admin")
DEFAULT_SCOPES = ("read", "write")
DAY = 86_400.0
MAX_NAME = 200
# how exactly the last use is known: a write for each request would cost more than the request
USE_SECONDS = 60.0
COLUMNS = (
    *(api_keys.c[name] for name in ("id", "tenant", "name", "scopes")),
    *(api_keys.c[name] for name in ("created_at", "expires_at", "last_used_at")),
    (api_keys.c.expires_at - now()).label("remaining"),
)
TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def hash_key(secret: str) -> str:
    """SHA-256 is enough for a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


class InvalidTenant(ValueError):
    """A tenant's name that cannot be used in paths, messages and metrics."""


def check_tenant(name: str) -> None:
    """Raise InvalidTenant for an empty or long name, and for other characters than letters, digits, `._-`."""
    if not TENANT.fullmatch(name):
        raise InvalidTenant(
            f"{name!r} is no name of a tenant: use 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-', "
            "with a letter or digit first"
        )


class InvalidKey(ValueError):
    """A name, a scope or a time of a key that makes no sense."""


def create(
    db: Database,
    tenant: str,
    name: str,
    actor: Actor = SERVICE,
    *,
    scopes: Iterable[str] = DEFAULT_SCOPES,
    expires_days: float | None = None,
) -> str:
    """Create a key and return its secret, which is not stored. Raises InvalidTenant and InvalidKey."""
    secret = PREFIX + secrets.token_urlsafe(32)
    add(db, tenant, name, secret, actor, scopes=scopes, expires_days=expires_days)
    return secret


def add(
    db: Database,
    tenant: str,
    name: str,
    secret: str,
    actor: Actor = SERVICE,
    *,
    scopes: Iterable[str] = DEFAULT_SCOPES,
    expires_days: float | None = None,
) -> None:
    """Store a key whose secret the operator chose. Raises InvalidTenant and InvalidKey."""
    check_tenant(tenant)
    _check_name(name)
    if expires_days is not None and expires_days <= 0:
        raise InvalidKey("a key expires in the future: give more than 0 days")
    expiry = None if expires_days is None else now() + expires_days * DAY
    with db.write() as connection:
        _insert(connection, db, actor, tenant, name, secret, _join(scopes), expiry)


def rotate(
    db: Database,
    key_id: str,
    overlap_seconds: float,
    actor: Actor = SERVICE,
    *,
    tenant: str | None = None,
) -> str | None:
    """Create a key in place of another one, which stays valid for the overlap; returns the new secret.

    The new key is valid for as long as the old one was to be from its creation on. None when there is no such
    valid key, or it is not the tenant's.
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    with db.write() as connection:
        valid = (api_keys.c.id == key_id, *_valid(), *_owned_by(tenant))
        old = connection.execute(select(api_keys).where(*valid).with_for_update()).one_or_none()
        if old is None:
            return None
        ends = now() + overlap_seconds
        sooner = (
            ends
            if old.expires_at is None
            else case((api_keys.c.expires_at < ends, old.expires_at), else_=ends)
        )
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(expires_at=sooner))
        expiry = None if old.expires_at is None else now() + (old.expires_at - old.created_at)
        _insert(connection, db, actor, old.tenant, old.name, secret, old.scopes, expiry)
        audit.record(connection, actor, "key.rotate", tenant=old.tenant, subject=key_id)
    return secret


def ensure(db: Database, tenant: str, name: str, secret: str) -> bool:
    """Store a key with every scope unless it is there; False when it was revoked, which stays so."""
    known = find(db, secret)
    if known is not None:
        if known.scopes != frozenset(SCOPES):
            with db.write() as connection:
                connection.execute(
                    update(api_keys).where(api_keys.c.id == known.id).values(scopes=_join(SCOPES))
                )
        return True
    with db.read() as connection:
        same = connection.execute(select(api_keys.c.id).where(api_keys.c.key_hash == hash_key(secret)))
        if same.first() is not None:
            return False
    with suppress(IntegrityError):
        # another gateway may have stored it at the same moment
        add(db, tenant, name, secret, scopes=SCOPES)
    return True


def find(db: Database, secret: str) -> ApiKey | None:
    """The key that a secret opens, unless it was revoked or has expired."""
    with db.read() as connection:
        query = select(*COLUMNS).where(api_keys.c.key_hash == hash_key(secret), *_valid())
        row = connection.execute(query).one_or_none()
    return _to_key(row) if row else None


def find_by_id(db: Database, key_id: str) -> ApiKey | None:
    """A key by its id, unless it was revoked or has expired."""
    with db.read() as connection:
        query = select(*COLUMNS).where(api_keys.c.id == key_id, *_valid())
        row = connection.execute(query).one_or_none()
    return _to_key(row) if row else None


def record_use(db: Database, key: ApiKey) -> None:
    """Record when a key was used last, to the minute."""
    stale = api_keys.c.last_used_at.is_(None) | (api_keys.c.last_used_at < now() - USE_SECONDS)
    with db.read() as connection:
        if connection.execute(select(api_keys.c.id).where(api_keys.c.id == key.id, stale)).first() is None:
            return
    with db.write() as connection:
        connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=now()))


def revoke(db: Database, key_id: str, actor: Actor = SERVICE, *, tenant: str | None = None) -> bool:
    """Revoke a key; False when there is no such valid key, or it is not the tenant's."""
    with db.write() as connection:
        owner = connection.execute(
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None), *_owned_by(tenant))
            .values(revoked_at=now())
            .returning(api_keys.c.tenant)
        ).scalar()
        if owner is None:
            return False
        audit.record(connection, actor, "key.revoke", tenant=owner, subject=key_id)
        return True


def list_open(db: Database) -> list[ApiKey]:
    """All valid keys."""
    with db.read() as connection:
        rows = connection.execute(select(*COLUMNS).where(*_valid()).order_by(api_keys.c.created_at))
        return [_to_key(row) for row in rows]


def _valid() -> tuple[ColumnElement[bool], ...]:
    return (
        api_keys.c.revoked_at.is_(None),
        api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > now()),
    )


def _owned_by(tenant: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if tenant is None else (api_keys.c.tenant == tenant,)


def _to_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        scopes=frozenset(row.scopes.split(",")),
        created_at=row.created_at,
        expires_at=row.expires_at,
        remaining_seconds=row.remaining,
        last_used_at=row.last_used_at,
    )


def _check_name(name: str) -> None:
    if not 0 < len(name.strip()) <= MAX_NAME or not name.isprintable():
        raise InvalidKey(f"{name!r} is no name of a key: use 1 to {MAX_NAME} printable characters")


def _join(scopes: Iterable[str]) -> str:
    """Scopes as they are stored, in one order; raises InvalidKey."""
    wanted = set(scopes)
    if not wanted or wanted - set(SCOPES):
        raise InvalidKey(f"the scopes of a key are some of {', '.join(SCOPES)}")
    return ",".join(scope for scope in SCOPES if scope in wanted)


def _insert(
    connection: Connection,
    db: Database,
    actor: Actor,
    tenant: str,
    name: str,
    secret: str,
    scopes: str,
    expiry: Any,
) -> None:
    key_id = db.time.token(8)
    connection.execute(
        insert(api_keys).values(
            id=key_id,
            tenant=tenant,
            name=name,
            key_hash=hash_key(secret),
            created_at=now(),
            scopes=scopes,
            expires_at=expiry,
        )
    )
    detail = {"name": name, "scopes": scopes, "expires": expiry is not None}
    audit.record(connection, actor, "key.create", tenant=tenant, subject=key_id, detail=detail)
