"""Run by Alembic, which `migrate` in app.py calls with an open connection."""

from services.ingestion.store.tables import Tables
from shared.database import run_migrations

run_migrations(Tables.metadata)
