"""results of stages by what they depend on"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stage_results",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", "owner", name=op.f("pk_stage_results")),
    )
    op.create_index(op.f("ix_stage_results_owner"), "stage_results", ["owner"])
    op.create_index(op.f("ix_stage_results_tenant_created_at"), "stage_results", ["tenant", "created_at"])


def downgrade() -> None:
    op.drop_table("stage_results")
