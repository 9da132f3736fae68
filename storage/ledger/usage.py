"""What tenants use: the bytes of the files that they refer to, counted exactly, and their open jobs.

Whoever changes references of a tenant calls `lock_tenant` before anything else: the count is right then, and
no two such transactions wait for each other.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from storage.ledger import tenants
from storage.ledger.database import Database
from storage.ledger.tables import blob_refs, blobs, jobs, tenant_usage
from storage.ledger.tables import tenants as tenants_table

# built once: building a statement costs more than running it
LIST_REFERRED = (
    select(blob_refs.c.sha256)
    .where(
        blob_refs.c.tenant == bindparam("owner"),
        blob_refs.c.sha256.in_(bindparam("hashes", expanding=True)),
    )
    .distinct()
)
COUNT_QUEUED = select(func.count()).where(
    jobs.c.tenant == bindparam("owner"), jobs.c.state == "queued", jobs.c.parent.is_(None)
)
COUNT_RUNNING = select(func.count()).where(
    jobs.c.tenant == bindparam("owner"), jobs.c.state == "running", jobs.c.lease_until.is_not(None)
)
OWN_RUNNING_LIMIT = select(tenants_table.c.max_running_jobs).where(tenants_table.c.name == bindparam("owner"))
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:tenant, 0))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a tenant may use; 0 sets no limit. The fields are settings of tenants with `max_` before them."""

    stored_bytes: float = 0
    job_bytes: float = 0
    job_pixels: float = 0
    job_frames: float = 0
    queued_jobs: float = 0
    running_jobs: float = 0
    requests_per_second: float = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tenant uses now."""

    stored_bytes: int
    queued_jobs: int
    running_jobs: int


class LimitReached(Exception):
    """A tenant would use more than it may; `name` is a field of Limits, and nothing was changed."""

    def __init__(self, name: str, limit: float) -> None:
        super().__init__(f"{name}: {limit:,.0f}")
        self.name, self.limit = name, limit


def choose_limits(db: Database, tenant: str, default: Limits) -> Limits:
    """The limits of a tenant: what is set for it, else the default."""
    own = tenants.get_settings(db, tenant)
    names = [field.name for field in fields(Limits)]
    return Limits(**{name: own.get(f"max_{name}", getattr(default, name)) for name in names})


def lock_tenant(connection: Connection, tenant: str) -> None:
    """Let one transaction at a time change what a tenant has; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(LOCK, {"tenant": tenant})


def list_referred(connection: Connection, tenant: str, hashes: Collection[str]) -> set[str]:
    """Of some files those that a tenant refers to."""
    return set(connection.execute(LIST_REFERRED, {"owner": tenant, "hashes": list(hashes)}).scalars())


def count_bytes(connection: Connection, tenant: str, hashes: Iterable[str], sign: int) -> None:
    """Count files that a tenant refers to from now on, or with the sign -1 not any more."""
    changed = sorted(hashes)
    if not changed:
        return
    size = select(func.coalesce(func.sum(blobs.c.bytes), 0)).where(blobs.c.sha256.in_(changed))
    delta = sign * int(connection.execute(size).scalar_one())
    make: Any = sqlite_insert if connection.dialect.name == "sqlite" else postgres_insert
    connection.execute(
        make(tenant_usage)
        .values(tenant=tenant, bytes=delta)
        .on_conflict_do_update(
            index_elements=[tenant_usage.c.tenant], set_={"bytes": tenant_usage.c.bytes + delta}
        )
    )


def check_bytes(connection: Connection, tenant: str, limit: float) -> None:
    """Raise LimitReached when a tenant has more bytes than it may, at the end of a change that added some."""
    if limit and read_bytes(connection, tenant) > limit:
        raise LimitReached("stored_bytes", limit)


def check_queued(connection: Connection, tenant: str, limit: float) -> None:
    """Raise LimitReached when a tenant has more queued jobs than it may; the tenant is locked."""
    if not limit:
        return
    if connection.execute(COUNT_QUEUED, {"owner": tenant}).scalar_one() > limit:
        raise LimitReached("queued_jobs", limit)


def read_bytes(connection: Connection, tenant: str) -> int:
    """The bytes of all files that a tenant refers to, each counted once."""
    query = select(tenant_usage.c.bytes).where(tenant_usage.c.tenant == tenant)
    return int(connection.execute(query).scalar() or 0)


def get_usage(db: Database, tenant: str) -> Usage:
    """What a tenant uses now."""
    with db.read() as connection:
        return Usage(
            read_bytes(connection, tenant),
            connection.execute(COUNT_QUEUED, {"owner": tenant}).scalar_one(),
            count_running(connection, tenant),
        )


def may_run(connection: Connection, tenant: str, default: float) -> bool:
    """Whether one more job of a tenant may run; the tenant is locked until the end of the transaction."""
    known = connection.execute(OWN_RUNNING_LIMIT, {"owner": tenant}).scalar()
    limit = default if known is None else known
    if not limit:
        return True
    lock_tenant(connection, tenant)
    return count_running(connection, tenant) < limit


def count_running(connection: Connection, tenant: str) -> int:
    """How many workers run jobs of a tenant, or parts of them."""
    return int(connection.execute(COUNT_RUNNING, {"owner": tenant}).scalar_one())


def recount(db: Database) -> None:
    """Count the bytes of every tenant anew."""
    with db.read() as connection:
        names = connection.execute(select(tenant_usage.c.tenant)).scalars().all()
    for tenant in names:
        with db.write() as connection:
            lock_tenant(connection, tenant)
            mine = select(blob_refs.c.sha256).where(blob_refs.c.tenant == tenant).distinct()
            size = select(func.coalesce(func.sum(blobs.c.bytes), 0)).where(blobs.c.sha256.in_(mine))
            total = int(connection.execute(size).scalar_one())
            row = tenant_usage.update().where(tenant_usage.c.tenant == tenant).values(bytes=total)
            connection.execute(row)
