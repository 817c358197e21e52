"""Whether a video has sound."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is null, for unknown, for videos indexed before."""
    op.add_column("videos", sa.Column("has_sound", sa.Boolean(), nullable=True))
