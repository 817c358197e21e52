"""The hubness correction of a library, beside the calibration fitted to corrected scores."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; earlier calibrations were fitted to uncorrected scores."""
    op.add_column("calibrations", sa.Column("hubness", sa.LargeBinary(), nullable=True))
