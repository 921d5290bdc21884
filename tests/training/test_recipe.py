"""A recipe is named by all that decides the model, and refuses what it does not know."""

import dataclasses

import pytest

from services.training import augmentation
from services.training.cron import valid_cron
from services.training.recipe import Recipe, RecipeError
from services.training.settings import Settings


def test_a_recipe_is_read_back_from_its_document() -> None:
    recipe = Recipe(iterations=7, folds=4)
    assert Recipe.from_document(recipe.document()) == recipe


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Recipe)])
def test_every_setting_is_in_the_digest(name: str) -> None:
    document = Recipe().document()
    value = document[name]
    document[name] = value | {"normal": 0.123} if isinstance(value, dict) else 0.55 if name == "confidence" else 0.45
    if isinstance(value, int):
        document[name] = value + 1
    if name == "engine":
        document[name] = "dask"
    assert Recipe.from_document(document).digest != Recipe().digest


def test_other_tables_of_disguises_make_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Recipe().digest
    monkeypatch.setattr("services.training.recipe.tables_digest", lambda: "another")
    assert Recipe().digest != before
    assert augmentation.tables_digest().startswith("sha256:")


@pytest.mark.parametrize(
    "overrides",
    [{"speed": 1}, {"folds": 1}, {"folds": "many"}, {"l2": -1.0}, {"l2": float("nan")}, {"wanted": {"normal": 0.9}},
     {"wanted": {"quick": 0.1}}, {"wanted": None}],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(overrides: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="the recipe does not fit"):
        Recipe.from_document(overrides)


@pytest.mark.parametrize("expression", ["30 2 * * *", "*/15 * * * *", "0 0 1 1 *"])
def test_a_cron_expression_is_taken(expression: str) -> None:
    assert valid_cron(expression) == expression


@pytest.mark.parametrize("expression", ["", "daily", "61 * * * *", "* * *"])
def test_what_is_no_cron_expression_is_refused_when_settings_are_read(settings: Settings, expression: str) -> None:
    with pytest.raises(ValueError, match="no cron expression"):
        Settings(**(settings.model_dump() | {"schedule": expression}))


def test_settings_come_from_the_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.model_dump(exclude_none=True, exclude={"mode"}).items():
        monkeypatch.setenv(f"QUIETLINE_TRAINING_{name.upper()}", str(value))
    monkeypatch.setenv("QUIETLINE_MODE", "production")
    read = Settings()
    assert read.production
    assert read.lease_seconds == settings.lease_seconds
    assert not settings.production
