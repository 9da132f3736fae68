"""parts of jobs, and what they took"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("parent", sa.String(length=40), nullable=True))
    op.add_column("jobs", sa.Column("part", sa.String(length=80), nullable=True))
    op.add_column("jobs", sa.Column("spent_seconds", sa.Double(), nullable=True))
    op.add_column("jobs", sa.Column("spent_gpu_seconds", sa.Double(), nullable=True))
    op.create_index(op.f("ix_jobs_parent_kind_part"), "jobs", ["parent", "kind", "part"], unique=True)
    op.create_index(
        op.f("ix_jobs_parent_state_queue_id"), "jobs", ["parent", "state", "queue", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_jobs_parent_state_queue_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_parent_kind_part"), table_name="jobs")
    with op.batch_alter_table("jobs") as table:
        for name in ("spent_gpu_seconds", "spent_seconds", "part", "parent"):
            table.drop_column(name)
