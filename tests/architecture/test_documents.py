"""What the documents name exists, and what exists is named."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask
from pydantic_settings import BaseSettings

import services.ingestion.app
import services.registry.app
import services.training.app
from services.cli import COMMANDS, main
from services.embedded import DataDirectory
from services.ingestion.settings import Settings as IngestionSettings
from services.registry.settings import Settings as RegistrySettings
from services.training.peers import Peers
from services.training.settings import Settings as TrainingSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf8")
SERVICES_README = (ROOT / "services" / "README.md").read_text("utf8")
ROOMS: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("ingestion", IngestionSettings),
    ("training", TrainingSettings),
    ("registry", RegistrySettings),
)


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Flask]:
    data = DataDirectory(tmp_path_factory.mktemp("documents"))
    data.prepare()
    training = data.training()
    return {
        "ingestion": services.ingestion.app.create_app(data.ingestion()),
        "training": services.training.app.create_app(training, Peers.in_process(lambda *_: [], training)),
        "registry": services.registry.app.create_app(data.registry()),
    }


def endpoints(apps: dict[str, Flask]) -> set[str]:
    """Gives `service METHOD /path scopes` of every endpoint below /v1."""
    found = set()
    for service, app in apps.items():
        for rule in app.url_map.iter_rules():
            if rule.rule.startswith("/v1/"):
                path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
                scopes = ", ".join(app.view_functions[rule.endpoint].quietline_scopes)
                methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
                found |= {f"{service} {method} {path} {scopes}" for method in methods}
    return found


def test_the_api_table_names_every_endpoint_and_its_scopes(apps: dict[str, Flask]) -> None:
    rows = re.findall(r"^\| (\w+) \| `([A-Z]+ [^`]+)` \| ([^|]*) \|", README, re.MULTILINE)
    assert {" ".join(part.strip() for part in row) for row in rows} == endpoints(apps)


def commands(group: click.Group, path: str) -> Iterator[str]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_command_explains_itself() -> None:
    for path in commands(main, "quietline"):
        command: click.Command = main
        for name in path.split()[1:]:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), name)
            assert found is not None
            command = found
        assert command.get_short_help_str(), path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help or parameter.show_default, (path, parameter.name)


def test_the_readme_names_only_commands_that_exist() -> None:
    existing = set(commands(main, "quietline"))
    named = set(re.findall(r"`?(quietline(?: [a-z]+)+)", README)) - {"quietline phone"}
    for words in named:
        assert any(words.startswith(path) or path.startswith(words) for path in existing), words


def test_the_readme_names_every_first_word_of_a_command() -> None:
    for name in COMMANDS:
        assert re.search(rf"quietline {name}\b|make {name}\b|`{name}`", README + SERVICES_README), name


def test_the_readme_names_only_targets_that_the_makefile_has() -> None:
    makefile = (ROOT / "Makefile").read_text("utf8")
    for target in set(re.findall(r"\bmake ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize(("service", "settings"), ROOMS)
def test_every_setting_is_documented_and_no_other(service: str, settings: type[BaseSettings]) -> None:
    prefix = f"QUIETLINE_{service.upper()}_"
    documented = set(re.findall(rf"`({prefix}[A-Z_]+)`", SERVICES_README))
    fields = {f"{prefix}{name.upper()}" for name in settings.model_fields if name != "mode"}
    assert documented == fields
    assert "`QUIETLINE_MODE`" in SERVICES_README


def test_every_metric_is_documented_and_no_other(apps: dict[str, Flask]) -> None:
    exposed: dict[tuple[str, str, str], set[str]] = {}
    for service, app in apps.items():
        for metric in app.extensions["metrics"].describe():
            exposed.setdefault((metric.name, metric.kind, ", ".join(metric.labels)), set()).add(service)
    documented = {}
    for row in re.findall(r"^\| `(quietline_\w+)` \| (\w+) \| ([^|]*)\| ([^|]*) \|", SERVICES_README, re.MULTILINE):
        name, kind, labels, services_ = (part.strip() for part in row)
        documented[name, kind, labels] = set(apps) if services_ == "all" else set(services_.split(", "))
    assert documented == exposed


def test_every_metric_that_is_documented_is_on_the_page(apps: dict[str, Flask]) -> None:
    for app in apps.values():
        app.test_client().get("/healthz")
        page = app.test_client().get("/metrics").text
        for metric in app.extensions["metrics"].describe():
            assert re.search(rf"^# TYPE {metric.name} {metric.kind}$", page, re.MULTILINE), metric.name


def test_compose_sets_what_services_read_and_all_that_they_must_be_told() -> None:
    compose = (ROOT / "docker-compose.yml").read_text("utf8")
    named = set(re.findall(r"^ +(QUIETLINE_(?:INGESTION|TRAINING|REGISTRY)_[A-Z_]+):", compose, re.MULTILINE))
    read, needed = set(), set()
    for service, settings in ROOMS:
        for name, field in settings.model_fields.items():
            variable = f"QUIETLINE_{service.upper()}_{name.upper()}"
            read.add(variable)
            needed |= {variable} if field.is_required() else set()
    assert needed <= named <= read
    places = set(re.findall(r"\$\{(QUIETLINE_[A-Z_]+):?-", compose)) - {"QUIETLINE_UID", "QUIETLINE_GID"}
    for variable in places:
        assert f"`{variable}`" in SERVICES_README, variable


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "shared/README.md", "services/README.md"])
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text("utf8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / document).parent / link).exists(), link


def test_every_module_says_what_it_is_for() -> None:
    for folder in ("services", "shared", "mobile_model"):
        for module in (ROOT / folder).rglob("*.py"):
            if "versions" not in module.parts:
                assert module.read_text("utf8").startswith('"""'), module
