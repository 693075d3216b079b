"""The table `last`: value and step of each user."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "last",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("value", sa.SmallInteger, nullable=False),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("value BETWEEN 0 AND 99", name="value_in_range"),
        sa.CheckConstraint("step BETWEEN 0 AND 99", name="step_in_range"),
    )


def downgrade() -> None:
    op.drop_table("last")
