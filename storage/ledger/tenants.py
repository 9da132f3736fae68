"""What operators have set for single tenants; what is not set is the same for all."""

import json
from typing import Any

from sqlalchemy import select

from storage.ledger import audit, blobs
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
        row = connection.execute(
            select(tenants.c.settings).where(tenants.c.name == tenant).with_for_update()
        ).one_or_none()
        merged: dict[str, Any] = {**(json.loads(row.settings) if row else {}), **changes}
        settings = {name: value for name, value in merged.items() if value is not None}
        connection.execute(
            blobs.upsert(connection, tenants)
            .values(name=tenant, settings=json.dumps(settings))
            .on_conflict_do_update(index_elements=[tenants.c.name], set_={"settings": json.dumps(settings)})
        )
        if changes:
            audit.record(connection, actor, "tenant.set", tenant=tenant, subject=tenant, detail=changes)
    return settings
