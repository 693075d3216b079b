"""The tables `messages`: every message, and `committed`: how far each gateway's batches are stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("seq", SEQ, primary_key=True, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("gateway", sa.String, nullable=False),
        sa.Column("connection", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("is_in", sa.Boolean, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("recipients", sa.Integer, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sqlite_autoincrement=True,  # a number is never given twice, not even once all before it are deleted
    )
    op.create_index("messages_at", "messages", ["at_ms"])
    op.create_index("messages_user", "messages", ["user_id", "seq"])
    op.create_index("messages_event", "messages", ["event", "seq"])
    refused = sa.text("outcome <> 'ok'")
    op.create_index(
        "messages_refused", "messages", ["outcome", "seq"], sqlite_where=refused, postgresql_where=refused
    )
    op.create_table(
        "committed",
        sa.Column("gateway", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("committed")
    op.drop_table("messages")
