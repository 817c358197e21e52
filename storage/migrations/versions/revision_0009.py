"""Labels, their examples and classifiers, and the clips that have them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables, empty."""
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
        sa.UniqueConstraint("name", name="uq_labels_name"),
    )
    op.create_table(
        "label_examples",
        sa.Column("label_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("video_id", _id, autoincrement=False, nullable=False),
        sa.Column("start_seconds", sa.Double(), nullable=False),
        sa.Column("end_seconds", sa.Double(), nullable=False),
        sa.Column("is_positive", sa.Boolean(), nullable=False),
        _reference("label_examples", "label_id", "labels"),
        _reference("label_examples", "video_id", "videos"),
        sa.PrimaryKeyConstraint(
            "label_id", "video_id", "start_seconds", "end_seconds", name="pk_label_examples"
        ),
    )
    op.create_index("ix_label_examples_video_id", "label_examples", ["video_id"])
    op.create_table(
        "label_classifiers",
        sa.Column("label_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("encoder_id", sa.Integer(), nullable=False),
        sa.Column("weights", sa.LargeBinary(), nullable=False),
        sa.Column("bias", sa.Double(), nullable=False),
        sa.Column("positives", sa.Integer(), nullable=False),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("last_clip_id", sa.BigInteger(), nullable=False),
        _reference("label_classifiers", "label_id", "labels"),
        _reference("label_classifiers", "encoder_id", "encoders"),
        sa.PrimaryKeyConstraint("label_id", name="pk_label_classifiers"),
    )
    op.create_table(
        "clip_labels",
        sa.Column("clip_id", _id, autoincrement=False, nullable=False),
        sa.Column("label_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        _reference("clip_labels", "clip_id", "clips"),
        _reference("clip_labels", "label_id", "labels"),
        sa.PrimaryKeyConstraint("clip_id", "label_id", name="pk_clip_labels"),
    )
    op.create_index("ix_clip_labels_label_id", "clip_labels", ["label_id"])


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )
