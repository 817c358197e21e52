"""Run by alembic, on the connection that vidseek.storage.migrations.runner passes."""

from alembic import context

from vidseek.storage.catalog.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite can roll back DDL, alembic only assumes it cannot; it cannot alter most of a table.
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
