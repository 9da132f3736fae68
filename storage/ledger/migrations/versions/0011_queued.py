"""an index for counting the queued jobs of a tenant"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_jobs_tenant_state_parent"), "jobs", ["tenant", "state", "parent"])


def downgrade() -> None:
    op.drop_index(op.f("ix_jobs_tenant_state_parent"), table_name="jobs")
