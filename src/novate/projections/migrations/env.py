"""What Alembic runs: the migrations on the connection that the caller brought."""

from alembic import context

from novate.projections.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
