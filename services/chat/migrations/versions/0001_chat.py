"""Rooms with their counters, messages, members and files; in `uploads` what their stored names begin with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("published_seq", sa.BigInteger, nullable=False),
        sa.CheckConstraint("published_seq <= seq", name="published_is_stored"),
    )
    op.create_table(
        "messages",
        sa.Column("room_id", sa.String, sa.ForeignKey("rooms.id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("author_id", sa.String, nullable=False),
        sa.Column("author_name", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("room_id", sa.String, sa.ForeignKey("rooms.id"), nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
    )
    op.create_table("uploads", sa.Column("prefix", sa.String, primary_key=True))
    op.create_table(
        "files",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner_id", sa.String, nullable=False),
        sa.Column("stored_name", sa.String, nullable=False, unique=True),
        sa.Column("filename", sa.String, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("uploaded_ms", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.String),
    )
    op.create_index("files_of_owner", "files", ["owner_id"])
    op.create_index("files_by_age", "files", ["uploaded_ms"])


def downgrade() -> None:
    for table in ("files", "uploads", "members", "messages", "rooms"):
        op.drop_table(table)
