"""What operators have set for single tenants; what is not set is the same for all."""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.ledger import audit
from storage.ledger.audit import SERVICE, Actor
from storage.ledger.database import Database
from storage.ledger.keys import check_tenant
from storage.ledger.tables import tenants


def get_settings(db: Database, tenant: str) -> dict[str, float]:
    """What is set for a tenant, by name."""
    with db.read() as connection:
        row = connection.execute(select(tenants.c.settings).where(tenants.c.name == tenant)).one_or_none()
    return {} if row is None else json.loads(row.settings)


def change_settings(
    db: Database, tenant: str, changes: dict[str, float | None], actor: Actor = SERVICE
) -> dict[str, float]:
    """Set values of a tenant, and take back those that are None; returns all. Raises InvalidTenant."""
    check_tenant(tenant)
    with db.write() as connection:
        known = connection.execute(
            select(tenants.c.settings).where(tenants.c.name == tenant).with_for_update()
        ).one_or_none()
        merged: dict[str, Any] = {**(json.loads(known.settings) if known else {}), **changes}
        settings = {name: value for name, value in merged.items() if value is not None}
        running = settings.get("max_running_jobs")
        row = {
            "settings": json.dumps(settings),
            "max_running_jobs": None if running is None else int(running),
        }
        make: Any = sqlite_insert if connection.dialect.name == "sqlite" else postgres_insert
        connection.execute(
            make(tenants)
            .values(name=tenant, **row)
            .on_conflict_do_update(index_elements=[tenants.c.name], set_=row)
        )
        if changes:
            audit.record(connection, actor, "tenant.set", tenant=tenant, subject=tenant, detail=changes)
    return settings
