"""Brings the tables of all three services to head, once and before they start: `python -m services.migrate`."""

import structlog

import services.ingestion.app
import services.registry.app
import services.training.app
from services.ingestion.settings import Settings as IngestionSettings
from services.registry.settings import Settings as RegistrySettings
from services.training.settings import Settings as TrainingSettings
from shared.web import configure_logging

log = structlog.get_logger()


def main() -> None:
    """Migrates what the environment names; does nothing where the tables are at head."""
    configure_logging()
    services.ingestion.app.migrate(IngestionSettings())
    services.training.app.migrate(TrainingSettings())
    services.registry.app.migrate(RegistrySettings())
    log.info("tables_at_head")


if __name__ == "__main__":
    main()
