"""When somebody came or went: after which message of the room."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("moves", sa.Column("after_seq", sa.BigInteger, nullable=False, server_default="0"))
    # What waits now is told last of all: nothing that was told already makes it pass for told.
    op.execute("UPDATE moves SET after_seq = (SELECT seq FROM rooms WHERE rooms.id = moves.room_id)")


def downgrade() -> None:
    op.drop_column("moves", "after_seq")
