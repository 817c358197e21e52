"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a library from revision ${down_revision} to ${up_revision}."""
    # batch_alter_table of videos and clips needs table_kwargs={"sqlite_autoincrement": True}.
    ${upgrades if upgrades else "pass"}
