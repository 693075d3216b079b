"""The records, how far the source is read, its broken lines, and the feed's own row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
        ),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("sold_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("store", sa.String, nullable=False),
        sa.Column("seller", sa.String, nullable=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("category", sa.String, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_price_cents", sa.BigInteger, nullable=False),
        sa.Column("total_cents", sa.BigInteger, nullable=False),
        sa.Column("payment", sa.String, nullable=False),
    )
    # How far each file was read that is, or lately was, the source: one row but around a rotation.
    op.create_table(
        "positions",
        sa.Column("file", sa.String, primary_key=True),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("before", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "broken_lines",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("excerpt", sa.String, nullable=False),
    )
    # One row. The tag is in every cursor: one of another feed, or of this one before it was lost, is told apart.
    op.create_table(
        "feed",
        sa.Column("tag", sa.LargeBinary, primary_key=True),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("broken", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("feed")
    op.drop_table("broken_lines")
    op.drop_table("positions")
    op.drop_table("records")
