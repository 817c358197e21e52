"""Calibrations of a library by `vidseek calibrate`."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "calibrations",
        sa.Column("encoder_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scale", sa.Double(), nullable=False),
        sa.Column("bias", sa.Double(), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("clips", sa.Integer(), nullable=False),
        sa.Column("encoder_revision", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["encoders.id"], name="fk_calibrations_encoder_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("encoder_id", name="pk_calibrations"),
    )
