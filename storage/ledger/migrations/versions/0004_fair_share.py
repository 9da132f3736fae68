"""jumps of the clock, and indexes for claims that are fair to tenants"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    clock = op.create_table("ledger_clock", sa.Column("jumps", sa.Integer(), nullable=False))
    op.bulk_insert(clock, [{"jumps": 0}])
    op.create_index(op.f("ix_jobs_queue_state_tenant_id"), "jobs", ["queue", "state", "tenant", "id"])
    op.create_index(op.f("ix_jobs_tenant_started_at"), "jobs", ["tenant", "started_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_jobs_tenant_started_at"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_queue_state_tenant_id"), table_name="jobs")
    op.drop_table("ledger_clock")
