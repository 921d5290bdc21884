"""What an operator sets once for all services. Each service's `settings.py` adds its own."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Mode(StrEnum):
    """What a service is run for."""

    DEVELOPMENT = "development"
    """Keys are made where they are missing."""
    PRODUCTION = "production"
    """No key is made by itself, and those of development are refused."""


class SuiteSettings(BaseSettings):
    """The settings that must be equal in all services."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True)

    mode: Annotated[
        Mode, Field(validation_alias="QUIETLINE_MODE", description="production refuses development keys")
    ] = Mode.DEVELOPMENT

    @property
    def production(self) -> bool:
        """Tells whether development keys are refused."""
        return self.mode is Mode.PRODUCTION
