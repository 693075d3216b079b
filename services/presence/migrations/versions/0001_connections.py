"""The tables `connections`, all open ones, and `people`, all users who are here for the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "connections",
        sa.Column("connection", sa.String, primary_key=True),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("gateway", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("since", sa.String, nullable=False),
    )
    op.create_table(
        "people",
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("since", sa.String, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("people")
    op.drop_table("connections")
