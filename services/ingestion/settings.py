"""Settings of the ingestion service, from environment variables named QUIETLINE_INGESTION_..."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MODES: Final = {"production": True, "development": False}


class Settings(BaseSettings):
    """Everything that differs between one ingestion service and another."""

    model_config = SettingsConfigDict(env_prefix="QUIETLINE_INGESTION_", frozen=True, populate_by_name=True)

    production: Annotated[
        bool, BeforeValidator(lambda mode: MODES.get(mode, mode) if isinstance(mode, str) else mode)
    ] = Field(
        default=False,
        validation_alias=AliasChoices("production", "QUIETLINE_MODE"),
        description="QUIETLINE_MODE=production refuses development keys",
    )
    database_url: str = Field(description="SQLAlchemy address of ingestion's own database")
    snapshots_url: str = Field(description="where snapshots are kept: a folder or s3://bucket/prefix")
    keys_file: Path = Field(description="hashes of the bearer keys, the same file for all services")
