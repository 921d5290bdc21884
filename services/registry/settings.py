"""Settings of the registry, from QUIETLINE_MODE and environment variables named QUIETLINE_REGISTRY_..."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import SuiteSettings


class Settings(SuiteSettings):
    """Everything that differs between one registry and another."""

    model_config = SettingsConfigDict(env_prefix="QUIETLINE_REGISTRY_")

    database_url: str = Field(description="SQLAlchemy address of the registry's own database")
    candidates_url: str = Field(description="where submitted models are kept: a folder or s3://bucket/prefix")
    publish_dir: Path = Field(description="the TUF repository that a static server or the embedded suite serves")
    tuf_keys_dir: Path = Field(description="folder with the private keys that are online; never the root key")
    keys_file: Path = Field(description="hashes of the bearer keys, the same file for all services")
    promote_to: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9-]{0,29}$",
        description="channel that every accepted candidate goes to by itself; nothing is promoted by itself without it",
    )
    promote_percentage: int = Field(
        default=100, ge=1, le=100, description="share of the phones that get what was promoted by itself"
    )
