"""Settings come from the environment, and a mode that is misspelt is not taken for development."""

import pytest
from pydantic import ValidationError

from services.registry.settings import Settings

GIVEN = {
    "DATABASE_URL": "sqlite:///r.sqlite",
    "CANDIDATES_URL": "candidates",
    "PUBLISH_DIR": "tuf",
    "TUF_KEYS_DIR": "keys",
    "KEYS_FILE": "keys.json",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in GIVEN.items():
        monkeypatch.setenv(f"QUIETLINE_REGISTRY_{name}", value)
    monkeypatch.delenv("QUIETLINE_MODE", raising=False)


def test_development_is_the_mode_unless_told():
    assert not Settings().production


@pytest.mark.parametrize(("mode", "production"), [("production", True), ("development", False)])
def test_the_mode_comes_from_one_variable_for_all_services(monkeypatch, mode, production):
    monkeypatch.setenv("QUIETLINE_MODE", mode)
    assert Settings().production is production


def test_an_unknown_mode_is_an_error(monkeypatch):
    monkeypatch.setenv("QUIETLINE_MODE", "prod")
    with pytest.raises(ValidationError):
        Settings()


def test_a_missing_setting_is_an_error(monkeypatch):
    monkeypatch.delenv("QUIETLINE_REGISTRY_PUBLISH_DIR")
    with pytest.raises(ValidationError, match="publish_dir"):
        Settings()
