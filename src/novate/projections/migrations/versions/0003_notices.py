"""Public notices. A database from before has those of later events; `novate project --rebuild` makes the earlier ones, too."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "notices",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("markets", sa.Text(), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("text", sa.String(length=400), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("to_ns", sa.BigInteger(), nullable=False),
        sa.Column("published_ns", sa.BigInteger(), nullable=False),
        sa.Column("resolved_ns", sa.BigInteger(), nullable=False),
        sa.Column("resolution", sa.String(length=400), nullable=False),
        sa.Column("changed_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_published_ns"), "notices", ["published_ns"], unique=False)
    op.create_index(op.f("ix_notices_changed_sequence"), "notices", ["changed_sequence"], unique=False)
    op.create_table(
        "notice_updates",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("notice_sequence", sa.BigInteger(), nullable=False),
        sa.Column("notice_idx", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(length=400), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", name=op.f("pk_notice_updates")),
    )
    op.create_index(
        op.f("ix_notice_updates_notice_sequence_notice_idx"),
        "notice_updates",
        ["notice_sequence", "notice_idx"],
        unique=False,
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("notice_updates")
    op.drop_table("notices")
