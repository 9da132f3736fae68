"""what is stored, who needs it, and what was deleted"""

import json
import re

import sqlalchemy as sa
from alembic import op

from storage.ledger.clock import now

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BLOBS = sa.table("blobs", *map(sa.column, ("sha256", "bytes", "stored_at")))
REFS = sa.table("blob_refs", *map(sa.column, ("owner", "tenant", "role", "sha256")))
HASH = re.compile(r'"([0-9a-f]{64})"')


def upgrade() -> None:
    _create_tables()
    op.add_column("media", sa.Column("used_at", sa.Double(), nullable=True))
    _fill("media", "used_at", now())
    with op.batch_alter_table("media") as table:
        table.alter_column("used_at", existing_type=sa.Double(), nullable=False)
    op.create_index(op.f("ix_media_tenant_used_at"), "media", ["tenant", "used_at"])
    op.add_column("artefacts", sa.Column("deleted_at", sa.Double(), nullable=True))
    op.create_index(op.f("ix_artefacts_deleted_at"), "artefacts", ["deleted_at"])
    op.add_column("ledger_clock", sa.Column("shift", sa.Double(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("from_job", sa.String(length=40), nullable=True))
    for name in ("released_at", "events_deleted_at", "deleted_at"):
        op.add_column("jobs", sa.Column(name, sa.Double(), nullable=True))
    op.create_index(op.f("ix_jobs_from_job_state"), "jobs", ["from_job", "state"])
    op.create_index(
        op.f("ix_jobs_tenant_released_at_finished_at"), "jobs", ["tenant", "released_at", "finished_at"]
    )
    op.create_index(
        op.f("ix_jobs_tenant_deleted_at_finished_at"), "jobs", ["tenant", "deleted_at", "finished_at"]
    )
    _record_references()


def _create_tables() -> None:
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.Double(), nullable=False),
        sa.Column("condemned_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blobs")),
    )
    op.create_index(op.f("ix_blobs_condemned_at"), "blobs", ["condemned_at"])
    op.create_table(
        "blob_refs",
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_blob_refs_sha256")),
        sa.PrimaryKeyConstraint("owner", "tenant", "role", "sha256", name=op.f("pk_blob_refs")),
    )
    op.create_index(op.f("ix_blob_refs_sha256_tenant"), "blob_refs", ["sha256", "tenant"])
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenants")),
    )
    collection = op.create_table(
        "collection",
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
    )
    op.execute(sa.insert(collection).values(next_at=now(), since=now()))


def _fill(table: str, column: str, value: sa.ColumnElement[float]) -> None:
    op.execute(sa.update(sa.table(table, sa.column(column))).values({column: value}))


def _record_references() -> None:
    """Refer to what is there; the collector gives artefacts to their jobs once it has read the results."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    size: sa.ColumnElement[int] = sa.literal_column(
        "json_extract(info, '$.bytes')" if is_sqlite else "(info::json->>'bytes')::bigint"
    ).label("bytes")
    uploaded, made = _table("media", "info"), _table("artefacts", "bytes")
    known = sa.union_all(
        sa.select(uploaded.c.sha256, size, uploaded.c.created_at),
        sa.select(made.c.sha256, made.c.bytes, made.c.created_at),
    ).subquery("known")
    largest = sa.func.coalesce(sa.func.max(known.c.bytes), 0)
    rows = sa.select(known.c.sha256, largest, sa.func.min(known.c.created_at)).group_by(known.c.sha256)
    op.execute(sa.insert(BLOBS).from_select(["sha256", "bytes", "stored_at"], rows))
    session = _table("sessions", "id", "video")
    same = sa.and_(uploaded.c.tenant == session.c.tenant, uploaded.c.sha256 == session.c.video)
    for refs in (
        sa.select(sa.literal("uploads"), uploaded.c.tenant, sa.literal("upload"), uploaded.c.sha256),
        sa.select(sa.literal("legacy"), made.c.tenant, sa.literal("result"), made.c.sha256),
        sa.select(session.c.id, session.c.tenant, sa.literal("input"), session.c.video).join(uploaded, same),
    ):
        op.execute(sa.insert(REFS).from_select(["owner", "tenant", "role", "sha256"], refs))
    _record_inputs()


def _record_inputs() -> None:
    """What open jobs read: the uploads and artefacts whose hashes stand in their requests."""
    connection = op.get_bind()
    jobs = _table("jobs", "id", "request", "parent", "state", "from_job")
    is_open = (jobs.c.parent.is_(None), jobs.c.state.in_(("waiting", "queued", "running")))
    for row in connection.execute(sa.select(jobs.c.id, jobs.c.tenant, jobs.c.request).where(*is_open)).all():
        hashes = set(HASH.findall(row.request))
        for known in (_table("media"), _table("artefacts")):
            mine = (known.c.tenant == row.tenant, known.c.sha256.in_(hashes))
            found = set(connection.execute(sa.select(known.c.sha256).where(*mine)).scalars())
            hashes -= found
            refs = [
                {"owner": row.id, "tenant": row.tenant, "role": "input", "sha256": item} for item in found
            ]
            if refs:
                connection.execute(sa.insert(REFS), refs)
        source = json.loads(row.request).get("from_job")
        connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(from_job=source))


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, ("tenant", "sha256", "created_at", *columns)))


def downgrade() -> None:
    op.drop_index(op.f("ix_jobs_tenant_deleted_at_finished_at"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_tenant_released_at_finished_at"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_from_job_state"), table_name="jobs")
    with op.batch_alter_table("jobs") as table:
        for name in ("deleted_at", "events_deleted_at", "released_at", "from_job"):
            table.drop_column(name)
    with op.batch_alter_table("ledger_clock") as table:
        table.drop_column("shift")
    op.drop_index(op.f("ix_artefacts_deleted_at"), table_name="artefacts")
    with op.batch_alter_table("artefacts") as table:
        table.drop_column("deleted_at")
    op.drop_index(op.f("ix_media_tenant_used_at"), table_name="media")
    with op.batch_alter_table("media") as table:
        table.drop_column("used_at")
    for name in ("collection", "tenants", "blob_refs", "blobs"):
        op.drop_table(name)
