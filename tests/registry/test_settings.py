"""Settings come from the environment, and none that is needed is made up."""

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


@pytest.mark.parametrize("missing", GIVEN)
def test_a_missing_setting_is_an_error(monkeypatch, missing):
    for name, value in GIVEN.items():
        monkeypatch.setenv(f"QUIETLINE_REGISTRY_{name}", value)
    assert Settings().database_url == GIVEN["DATABASE_URL"]
    monkeypatch.delenv(f"QUIETLINE_REGISTRY_{missing}")
    with pytest.raises(ValidationError, match=missing.lower()):
        Settings()
