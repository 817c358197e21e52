"""Pairs of videos that somebody said are no duplicates."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table, empty."""
    op.create_table(
        "dismissed_pairs",
        sa.Column("video_id", _id, autoincrement=False, nullable=False),
        sa.Column("other_id", _id, autoincrement=False, nullable=False),
        _video("video_id"),
        _video("other_id"),
        sa.PrimaryKeyConstraint("video_id", "other_id", name="pk_dismissed_pairs"),
    )
    op.create_index("ix_dismissed_pairs_other_id", "dismissed_pairs", ["other_id"])


def _video(column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["videos.id"], name=f"fk_dismissed_pairs_{column}", ondelete="CASCADE"
    )
