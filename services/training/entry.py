"""The service's HTTP side as the environment sets it: what a process of its own serves (services/serving.py)."""

from typing import Final

from flask import Flask
from pydantic import ValidationError

from services.training.app import create_app
from services.training.peers import Peers
from services.training.settings import Settings
from shared.auth import KeyFileError

REFUSALS: Final = (KeyFileError, ValidationError)


def load() -> Flask:
    """Builds the app; `worker` is the other side, in another process."""
    settings = Settings()
    return create_app(settings, Peers.over_http(settings))
