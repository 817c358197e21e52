"""Whether a video's pictures have a high dynamic range."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is false for videos indexed before."""
    op.add_column(
        "videos", sa.Column("hdr", sa.Boolean(), nullable=False, server_default=sa.false())
    )
