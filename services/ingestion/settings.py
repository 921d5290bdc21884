"""Settings of the ingestion service, from QUIETLINE_MODE and environment variables named QUIETLINE_INGESTION_..."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import SuiteSettings


class Settings(SuiteSettings):
    """Everything that differs between one ingestion service and another."""

    model_config = SettingsConfigDict(env_prefix="QUIETLINE_INGESTION_")

    database_url: str = Field(description="SQLAlchemy address of ingestion's own database")
    snapshots_url: str = Field(description="where snapshots are kept: a folder or s3://bucket/prefix")
    keys_file: Path = Field(description="hashes of the bearer keys, the same file for all services")
