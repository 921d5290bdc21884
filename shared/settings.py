"""What an operator sets once for all services. Each service's `settings.py` adds its own."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

DATABASE_URLS: Final = ("database_url", "dbos_database_url")
"""Names of the settings that a password from a file is put into."""


class Mode(StrEnum):
    """What a service is run for."""

    DEVELOPMENT = "development"
    """Keys are made where they are missing."""
    PRODUCTION = "production"
    """No key is made by itself, and those of development are refused."""


class SuiteSettings(BaseSettings):
    """The settings that must be equal in all services."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True)

    mode: Annotated[
        Mode, Field(validation_alias="QUIETLINE_MODE", description="production refuses development keys")
    ] = Mode.DEVELOPMENT
    database_password_file: Path | None = None
    """Holds the password that the addresses of databases leave out, so that it is in no environment."""

    @model_validator(mode="before")
    @classmethod
    def _put_password_into_addresses(cls, values: dict[str, Any]) -> dict[str, Any]:
        file = values.get("database_password_file")
        if file is None:
            return values
        try:
            password = Path(file).read_text("utf8").strip()
        except OSError as error:
            raise ValueError(f"cannot read the password of the database from {file}: {error.strerror}") from error
        if not password:
            raise ValueError(f"{file} holds no password")
        return values | {name: _with_password(values[name], password) for name in DATABASE_URLS if name in values}

    @property
    def production(self) -> bool:
        """Tells whether development keys are refused."""
        return self.mode is Mode.PRODUCTION


def _with_password(url: str, password: str) -> str:
    try:
        return make_url(url).set(password=password).render_as_string(hide_password=False)
    except ArgumentError as error:
        raise ValueError("the address of a database looks like postgresql+psycopg://user@host/name") from error
