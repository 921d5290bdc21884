"""Alembic runs this file; what it does is the same for every service."""

from services.registry.store import Base
from shared.database import run_migrations

run_migrations(Base.metadata)
