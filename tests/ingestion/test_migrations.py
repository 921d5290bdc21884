"""Migrations lead to the tables that the code expects, and back; on PostgreSQL too where one is named."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from services.ingestion.app import MIGRATIONS, migrate
from services.ingestion.store.tables import Tables
from shared.database import _alembic_config, is_at_head, open_engine


@pytest.fixture
def engine(empty_settings):
    migrate(empty_settings)
    engine = open_engine(empty_settings.database_url)
    yield engine
    engine.dispose()


def test_the_newest_revision_equals_the_models(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Tables.metadata) == []


def test_migrating_twice_is_migrating_once(engine, empty_settings):
    migrate(empty_settings)
    assert is_at_head(engine, MIGRATIONS)


def test_every_revision_can_be_taken_back(engine):
    config = _alembic_config(MIGRATIONS)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
