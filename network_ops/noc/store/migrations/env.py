"""Run by Alembic: applies revisions on the connection that the console hands over."""

from __future__ import annotations

from alembic import context

from network_ops.noc.store.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
