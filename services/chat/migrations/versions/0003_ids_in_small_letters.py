"""The ids of messages in small letters, as they come in now: who repeats an older one is known."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Two messages whose ids are told apart by capitals alone stay two.
    op.execute(
        "UPDATE messages SET id = lower(id) WHERE id <> lower(id)"
        " AND lower(id) NOT IN (SELECT lower(id) FROM messages GROUP BY lower(id) HAVING count(*) > 1)"
    )
    op.execute(
        "UPDATE files SET message_id = lower(message_id)"
        " WHERE message_id IS NOT NULL AND message_id NOT IN (SELECT id FROM messages)"
    )


def downgrade() -> None:
    """There is nothing to undo: an older chat takes these ids as well."""
