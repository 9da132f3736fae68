"""Secrets that all gateways of an installation share and that nobody has to set."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.ledger.database import Database
from storage.ledger.tables import server_secrets

BYTES = 32


def get_or_create(db: Database, name: str) -> bytes:
    """The secret of a name; of several gateways that ask for it first, one makes it."""
    query = select(server_secrets.c.value).where(server_secrets.c.name == name)
    with db.read() as connection:
        value = connection.execute(query).scalar()
    if value is None:
        make = sqlite_insert if db.is_sqlite else postgres_insert
        row = {"name": name, "value": db.time.token(BYTES)}
        with db.write() as connection:
            connection.execute(make(server_secrets).values(**row).on_conflict_do_nothing())
            value = connection.execute(query).scalar_one()
    return bytes.fromhex(value)
