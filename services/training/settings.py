"""Settings of the training service, from QUIETLINE_MODE and environment variables named QUIETLINE_TRAINING_..."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, PositiveFloat, PositiveInt
from pydantic_settings import SettingsConfigDict

from services.training.cron import valid_cron
from shared.settings import SuiteSettings


class Settings(SuiteSettings):
    """Settings of the API and of the worker; both read the same ones, in one process or in two."""

    model_config = SettingsConfigDict(env_prefix="QUIETLINE_TRAINING_")

    database_url: str
    """Runs and their events: `sqlite:///...` or `postgresql+psycopg://...`."""
    dbos_database_url: str
    """Where DBOS keeps the state of workflows. A database of its own on SQLite."""
    runs_url: str
    """Folder of the runs' files, as fsspec reads it: a path or `s3://bucket/prefix`."""
    executor_id_file: Path
    """Holds the worker's durable id; each worker has a file of its own, or all share a folder of such files."""
    heartbeat_file: Path | None = None
    """The worker touches it as long as it lives and its database answers: what a health check looks at."""
    keys_file: Path
    """Hashes of the bearer keys that may call this service."""
    peer_key_file: Path
    """The bearer key for calls to ingestion (read_snapshot, moderate) and registry (submit, read_snapshot)."""
    ingestion_url: str
    registry_url: str
    channel: str = "stable"
    """Channel whose release is in service: what candidates are compared with."""
    schedule: Annotated[str, AfterValidator(valid_cron)] | None = None
    """Cron expression in UTC that starts a run, for example `30 2 * * *`; none for no schedule."""
    new_labels_per_run: PositiveInt | None = None
    """Start a run whenever so many labels were verified since the last one; none for never."""
    poll_seconds: PositiveFloat = 60.0
    """How often ingestion is asked for the count of labels."""
    lease_seconds: PositiveFloat = 15.0
    """A worker whose heartbeat stands still for so long is taken for dead, and its runs are taken over."""
    patience_seconds: PositiveFloat = 120.0
    """How long a run waits for a peer that does not answer."""
    queue_seconds: PositiveFloat = 0.25
    """How often the worker looks for queued runs."""
    dask_scheduler: str | None = None
    """Address of a Dask scheduler, such as `tcp://dask-scheduler:8786`, for recipes whose engine is `dask`."""
