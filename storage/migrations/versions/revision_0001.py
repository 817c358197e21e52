"""The first tables: videos, clips, their vectors, encoders and the history of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_videos_and_clips()
    _create_vectors()


def _create_videos_and_clips() -> None:
    op.create_table(
        "videos",
        sa.Column("id", _id, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.Column("frame_rate", sa.Double(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("damaged", sa.Boolean(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_videos"),
        sa.UniqueConstraint("path", name="uq_videos_path"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_videos_content_hash", "videos", ["content_hash"])
    op.create_index("ix_videos_state", "videos", ["state"])
    op.create_table(
        "clips",
        sa.Column("id", _id, nullable=False),
        sa.Column("video_id", _id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("start_seconds", sa.Double(), nullable=False),
        sa.Column("end_seconds", sa.Double(), nullable=False),
        sa.Column("frame_seconds", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name="fk_clips_video_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_clips"),
        sa.UniqueConstraint("video_id", "position", name="uq_clips_video_id_position"),
        sqlite_autoincrement=True,
    )


def _create_vectors() -> None:
    op.create_table(
        "encoders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_encoders"),
        sa.UniqueConstraint("fingerprint", name="uq_encoders_fingerprint"),
    )
    op.create_table(
        "clip_vectors",
        *_key_of_clip_and_encoder("clip_vectors"),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_clip_vectors_encoder_id", "clip_vectors", ["encoder_id", "clip_id"])
    op.create_table(
        "clip_frames",
        *_key_of_clip_and_encoder("clip_frames"),
        sa.Column("frame_count", sa.Integer(), nullable=False),
        sa.Column("vectors", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "changes",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_clip_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_clip_id", sa.BigInteger(), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "first_clip_id", name="pk_changes"),
    )
    op.create_table(
        "library",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("active_encoder", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(
            ["active_encoder"], ["encoders.fingerprint"], name="fk_library_active_encoder"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_library"),
    )


def _key_of_clip_and_encoder(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("clip_id", _id, autoincrement=False, nullable=False),
        sa.Column("encoder_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["clip_id"], ["clips.id"], name=f"fk_{table}_clip_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["encoders.id"], name=f"fk_{table}_encoder_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("clip_id", "encoder_id", name=f"pk_{table}"),
    ]
