"""One variable puts every service into production, and a mode that is misspelt is not taken for development."""

import pytest
from pydantic import ValidationError

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
