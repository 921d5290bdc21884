"""One variable puts every service into production, and a mode that is misspelt is not taken for development."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from services.ingestion.settings import Settings as IngestionSettings
from services.registry.settings import Settings as RegistrySettings
from services.training.settings import Settings as TrainingSettings
from shared.settings import SuiteSettings


@pytest.fixture(
    params=[IngestionSettings, TrainingSettings, RegistrySettings], ids=["ingestion", "training", "registry"]
)
def read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[SuiteSettings]:
    """Settings of a service whose other variables are all set."""
    monkeypatch.delenv("QUIETLINE_MODE", raising=False)
    kind: type[SuiteSettings] = request.param
    for name, field in kind.model_fields.items():
        if field.is_required():
            monkeypatch.setenv(f"{kind.model_config['env_prefix']}{name.upper()}", "somewhere")
    return kind


def test_development_is_the_mode_unless_told(read: type[SuiteSettings]) -> None:
    assert not read().production


@pytest.mark.parametrize(("mode", "production"), [("production", True), ("development", False)])
def test_the_mode_comes_from_one_variable(
    read: type[SuiteSettings], monkeypatch: pytest.MonkeyPatch, mode: str, production: bool
) -> None:
    monkeypatch.setenv("QUIETLINE_MODE", mode)
    assert read().production is production


@pytest.mark.parametrize("mode", ["prod", "Production", ""])
def test_an_unknown_mode_is_an_error(read: type[SuiteSettings], monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setenv("QUIETLINE_MODE", mode)
    with pytest.raises(ValidationError):
        read()


@pytest.fixture
def password_file(read: type[SuiteSettings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that holds the password of a service's databases."""
    prefix = read.model_config["env_prefix"]
    for name in ("DATABASE_URL", "DBOS_DATABASE_URL"):
        monkeypatch.setenv(f"{prefix}{name}", "postgresql+psycopg://someone@db/room")
    monkeypatch.setenv(f"{prefix}DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    return tmp_path / "password"


def test_a_password_comes_from_a_file_into_every_address(read: type[SuiteSettings], password_file: Path) -> None:
    password_file.write_text("p@ss/w:rd\n")
    found = read().model_dump()
    for name in {"database_url", "dbos_database_url"} & found.keys():
        url = make_url(found[name])
        assert (url.username, url.password, url.host, url.database) == ("someone", "p@ss/w:rd", "db", "room")


@pytest.mark.parametrize("content", [None, "", "\n"], ids=["missing", "empty", "blank"])
def test_a_password_that_cannot_be_read_is_an_error(
    read: type[SuiteSettings], password_file: Path, content: str | None
) -> None:
    if content is not None:
        password_file.write_text(content)
    with pytest.raises(ValidationError, match="password"):
        read()


def test_an_error_does_not_repeat_the_password(
    read: type[SuiteSettings], password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password_file.write_text("pw")
    monkeypatch.delenv(f"{read.model_config['env_prefix']}KEYS_FILE")
    with pytest.raises(ValidationError) as caught:
        read()
    assert "keys_file" in str(caught.value)
    assert "pw" not in str(caught.value)
