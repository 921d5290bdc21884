"""Each service's migrations lead to the tables that its code expects, and back; on PostgreSQL where one is named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, inspect

import services.ingestion.app
import services.ingestion.store.tables
import services.registry.app
import services.registry.store
import services.training.app
import services.training.store
from shared.database import _alembic_config, is_at_head, open_engine, upgrade
from tests.databases import empty_database


@dataclass(frozen=True)
class Service:
    """What a service says of its tables."""

    migrations: Path
    metadata: MetaData


SERVICES = {
    "ingestion": Service(services.ingestion.app.MIGRATIONS, services.ingestion.store.tables.Tables.metadata),
    "training": Service(services.training.app.MIGRATIONS, services.training.store.Table.metadata),
    "registry": Service(services.registry.app.MIGRATIONS, services.registry.store.Base.metadata),
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    return SERVICES[request.param]


@pytest.fixture
def engine(service: Service, tmp_path: Path) -> Iterator[Engine]:
    """The database of the service, migrated."""
    with empty_database(tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine, service.migrations)
        yield engine
        engine.dispose()


def test_the_newest_revision_equals_the_models(engine: Engine, service: Service) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, service.metadata) == []


def test_migrating_twice_is_migrating_once(engine: Engine, service: Service) -> None:
    upgrade(engine, service.migrations)
    assert is_at_head(engine, service.migrations)


def test_every_revision_can_be_taken_back(engine: Engine, service: Service) -> None:
    config = _alembic_config(service.migrations)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
