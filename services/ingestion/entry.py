"""The service as the environment sets it: what a process of its own serves (services/serving.py)."""

from typing import Final

from flask import Flask
from pydantic import ValidationError

from services.ingestion.app import create_app
from services.ingestion.settings import Settings
from shared.auth import KeyFileError

REFUSALS: Final = (KeyFileError, ValidationError)


def load() -> Flask:
    """Builds the app."""
    return create_app(Settings())
