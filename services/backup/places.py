"""Where a suite keeps what must be saved, read from the settings of its three services."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import services.ingestion.app
import services.registry.app
import services.training.app
from services.ingestion.settings import Settings as IngestionSettings
from services.registry.settings import Settings as RegistrySettings
from services.training.settings import Settings as TrainingSettings

PUBLISHED: Final = "published"
"""The only folder whose files others than their owner may read."""
SIGNING_KEYS: Final = "signing-keys"


@dataclass(frozen=True)
class Database:
    """A database, and the migrations that its tables come from; DBOS brings its own."""

    name: str
    url: str
    migrations: Path | None

    @property
    def is_sqlite(self) -> bool:
        """Tells which of the two kinds it is."""
        return self.url.startswith("sqlite")


@dataclass(frozen=True)
class Places:
    """Everything that a backup holds.

    Args:
        databases: each once, in the order in which they are saved.
        folders: by name: a path, or an address that fsspec understands.
        key_files: by name.
        lock_file: held by whoever changes what is published.
        registry: settings of the registry.
    """

    databases: tuple[Database, ...]
    folders: dict[str, str]
    key_files: dict[str, Path]
    lock_file: Path
    registry: RegistrySettings

    @classmethod
    def of(cls, ingestion: IngestionSettings, training: TrainingSettings, registry: RegistrySettings) -> Self:
        """Reads the settings.

        What DBOS knows of runs is saved before the runs themselves, and the registry's database last, with what it
        published: whatever is newer by a moment is caught up with at the next start.
        """
        databases = [
            Database("ingestion", ingestion.database_url, services.ingestion.app.MIGRATIONS),
            Database("training", training.database_url, services.training.app.MIGRATIONS),
            Database("registry", registry.database_url, services.registry.app.MIGRATIONS),
        ]
        if training.dbos_database_url != training.database_url:
            databases.insert(1, Database("dbos", training.dbos_database_url, None))
        return cls(
            tuple(databases),
            {
                "snapshots": ingestion.snapshots_url,
                "runs": training.runs_url,
                "candidates": registry.candidates_url,
                PUBLISHED: str(registry.publish_dir),
                SIGNING_KEYS: str(registry.tuf_keys_dir),
            },
            {"bearer-keys": registry.keys_file, "peer-key": training.peer_key_file},
            registry.publish_dir / ".lock",
            registry,
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Reads the settings from the environment, as the services do."""
        return cls.of(IngestionSettings(), TrainingSettings(), RegistrySettings())
