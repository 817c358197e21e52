"""The encoder that a change is of: a library may be encoded with several."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; NULL, as in all older changes, means every encoder."""
    op.add_column("changes", sa.Column("fingerprint", sa.String(64), nullable=True))
