"""Copy descriptors, one vector per frame, and matches between videos."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables; the next index run fills them."""
    op.create_table(
        "copy_frames",
        sa.Column("video_id", _id, autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("is_compared", sa.Boolean(), nullable=False),
        sa.Column("frame_count", sa.Integer(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.LargeBinary(), nullable=False),
        sa.Column("vectors", sa.LargeBinary(), nullable=False),
        _video("copy_frames", "video_id"),
        sa.PrimaryKeyConstraint("video_id", name="pk_copy_frames"),
    )
    op.create_table(
        "copy_matches",
        sa.Column("id", _id, nullable=False),
        sa.Column("video_id", _id, nullable=False),
        sa.Column("other_id", _id, nullable=False),
        sa.Column("start_seconds", sa.Double(), nullable=False),
        sa.Column("end_seconds", sa.Double(), nullable=False),
        sa.Column("other_start_seconds", sa.Double(), nullable=False),
        sa.Column("other_end_seconds", sa.Double(), nullable=False),
        sa.Column("speed", sa.Double(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("mirrored", sa.Boolean(), nullable=False),
        _video("copy_matches", "video_id"),
        _video("copy_matches", "other_id"),
        sa.PrimaryKeyConstraint("id", name="pk_copy_matches"),
    )
    op.create_index("ix_copy_matches_video_id", "copy_matches", ["video_id"])
    op.create_index("ix_copy_matches_other_id", "copy_matches", ["other_id"])


def _video(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["videos.id"], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )
