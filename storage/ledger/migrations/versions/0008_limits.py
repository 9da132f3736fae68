"""what tenants use and may use"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    usage = op.create_table(
        "tenant_usage",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_tenant_usage")),
    )
    op.add_column("tenants", sa.Column("max_running_jobs", sa.Integer(), nullable=True))
    refs = sa.table("blob_refs", sa.column("tenant"), sa.column("sha256"))
    blobs = sa.table("blobs", sa.column("sha256"), sa.column("bytes"))
    mine = sa.select(refs.c.tenant, refs.c.sha256).distinct().subquery("mine")
    totals = (
        sa.select(mine.c.tenant, sa.func.sum(blobs.c.bytes))
        .join(blobs, blobs.c.sha256 == mine.c.sha256)
        .group_by(mine.c.tenant)
    )
    op.execute(sa.insert(usage).from_select(["tenant", "bytes"], totals))


def downgrade() -> None:
    with op.batch_alter_table("tenants") as table:
        table.drop_column("max_running_jobs")
    op.drop_table("tenant_usage")
