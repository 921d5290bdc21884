"""Alembic runs this file; what it does is the same for every service."""

from services.training.store import Table
from shared.database import run_migrations

run_migrations(Table.metadata)
