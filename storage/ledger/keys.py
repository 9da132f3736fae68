"""API keys: 256 random bits, of which only the hash is kept."""

import hashlib
import re
import secrets
from contextlib import suppress

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.ledger import audit
from storage.ledger.audit import SERVICE, Actor
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.records import ApiKey
from storage.ledger.tables import api_keys

PREFIX = "mq_"
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


def create(db: Database, tenant: str, name: str, actor: Actor = SERVICE) -> str:
    """Create a key and return its secret, which is not stored. Raises InvalidTenant."""
    secret = PREFIX + secrets.token_urlsafe(32)
    add(db, tenant, name, secret, actor)
    return secret


def add(db: Database, tenant: str, name: str, secret: str, actor: Actor = SERVICE) -> None:
    """Store a key whose secret the operator chose. Raises InvalidTenant."""
    check_tenant(tenant)
    key_id = db.time.token(8)
    with db.write() as connection:
        connection.execute(
            insert(api_keys).values(
                id=key_id, tenant=tenant, name=name, key_hash=hash_key(secret), created_at=now()
            )
        )
        audit.record(connection, actor, "key.create", tenant=tenant, subject=key_id, detail={"name": name})


def ensure(db: Database, tenant: str, name: str, secret: str) -> bool:
    """Store a key unless it is there; False when it is there and was revoked, which stays so."""
    if find(db, secret) is not None:
        return True
    with db.read() as connection:
        known = connection.execute(select(api_keys.c.id).where(api_keys.c.key_hash == hash_key(secret)))
        if known.first() is not None:
            return False
    with suppress(IntegrityError):
        # another gateway may have stored it at the same moment
        add(db, tenant, name, secret)
    return True


def find(db: Database, secret: str) -> ApiKey | None:
    """The key that a secret opens, unless it was revoked."""
    with db.read() as connection:
        row = connection.execute(
            select(api_keys.c.id, api_keys.c.tenant, api_keys.c.name).where(
                api_keys.c.key_hash == hash_key(secret), api_keys.c.revoked_at.is_(None)
            )
        ).one_or_none()
    return ApiKey(row.id, row.tenant, row.name) if row else None


def revoke(db: Database, key_id: str, actor: Actor = SERVICE) -> bool:
    """Revoke a key; False when there is no such valid key."""
    with db.write() as connection:
        tenant = connection.execute(
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=now())
            .returning(api_keys.c.tenant)
        ).scalar()
        if tenant is None:
            return False
        audit.record(connection, actor, "key.revoke", tenant=tenant, subject=key_id)
        return True


def list_open(db: Database) -> list[ApiKey]:
    """All valid keys."""
    with db.read() as connection:
        rows = connection.execute(
            select(api_keys.c.id, api_keys.c.tenant, api_keys.c.name).where(api_keys.c.revoked_at.is_(None))
        )
        return [ApiKey(row.id, row.tenant, row.name) for row in rows]
