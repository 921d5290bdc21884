"""The service as the environment sets it: what a process of its own serves (services/serving.py)."""

from typing import Final

from flask import Flask
from pydantic import ValidationError

from services.registry.app import create_app, start_resigning
from services.registry.metadata import RepositoryError
from services.registry.settings import Settings
from services.registry.signing import SigningKeyError
from shared.auth import KeyFileError

REFUSALS: Final = (KeyFileError, ValidationError, RepositoryError, SigningKeyError)


def load() -> Flask:
    """Builds the app and starts to sign metadata anew before it expires, for as long as the process lives."""
    settings = Settings()
    app = create_app(settings)
    start_resigning(settings)
    return app
