"""A vidseek of a later format: the real migrations and one more, which rebuilds two tables."""

from __future__ import annotations

import shutil
from pathlib import Path

from vidseek.storage.migrations.runner import Migrations

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{head}"
down_revision = "{previous}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    counted = {{"sqlite_autoincrement": True}}
    with op.batch_alter_table("videos", recreate="always", table_kwargs=counted) as table:
        table.add_column(sa.Column("title", sa.Text(), nullable=False, server_default="untitled"))
    with op.batch_alter_table("clips", recreate="always", table_kwargs=counted) as table:
        table.add_column(sa.Column("loudness", sa.Double(), nullable=True))
    op.execute("UPDATE videos SET title = 'of ' || path")
    {last}
"""


def later_migrations(folder: Path, *, last: str = "pass") -> Migrations:
    """The migrations of a later version, in a folder that need not exist.

    Args:
        folder: where.
        last: code that the new revision runs at its end.
    """
    now = Migrations()
    if not folder.exists():
        shutil.copytree(now.scripts, folder, ignore=shutil.ignore_patterns("__pycache__"))
    head = f"{int(now.head) + 1:04d}"
    revision = REVISION.format(head=head, previous=now.head, last=last)
    script = folder / "versions" / f"revision_{head}.py"
    # A process that is killed here must not leave half a script to the next.
    partial = script.with_suffix(".partial")
    partial.write_text(revision)
    partial.replace(script)
    return Migrations(scripts=folder, head=head)
