"""The next step after a file could not be read, beside the reason."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; failures stored before have no next step."""
    op.add_column("videos", sa.Column("failure_hint", sa.String(length=64), nullable=True))
