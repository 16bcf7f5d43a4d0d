"""Alembic's entry: runs on the connection that `db.upgrade` opened."""

from alembic import context

from db.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    version_table_schema="public",
)
with context.begin_transaction():
    context.run_migrations()
