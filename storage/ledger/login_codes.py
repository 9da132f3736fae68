"""Codes that log a browser in once, in the name of a key: only their hash is kept."""

import secrets

from sqlalchemy import delete, insert

from storage.ledger import audit
from storage.ledger.audit import SERVICE, Actor
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.keys import hash_key
from storage.ledger.records import ApiKey
from storage.ledger.tables import login_codes

# long enough to find the browser, short enough for a terminal's scrollback
DEFAULT_SECONDS = 3600.0


def create(db: Database, key: ApiKey, actor: Actor = SERVICE, *, seconds: float = DEFAULT_SECONDS) -> str:
    """A new code for a key; codes that have expired are removed."""
    code = secrets.token_urlsafe(32)
    with db.write() as connection:
        connection.execute(delete(login_codes).where(login_codes.c.expires_at <= now()))
        connection.execute(
            insert(login_codes).values(code_hash=hash_key(code), key_id=key.id, expires_at=now() + seconds)
        )
        audit.record(connection, actor, "login.link", tenant=key.tenant, subject=key.id)
    return code


def take(db: Database, code: str) -> str | None:
    """The id of the key that a code stands for, which ends the code; None where it is not valid any more."""
    is_valid = (login_codes.c.code_hash == hash_key(code), login_codes.c.expires_at > now())
    with db.write() as connection:
        taken = connection.execute(delete(login_codes).where(*is_valid).returning(login_codes.c.key_id))
        key_id: str | None = taken.scalar()
        return key_id
