"""What a library takes off the scores of hubs, beside the calibration that was fitted to it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column; earlier calibrations were fitted to scores off which nothing was taken."""
    op.add_column("calibrations", sa.Column("hubness", sa.LargeBinary(), nullable=True))
