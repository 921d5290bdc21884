"""`quietline phone init` and `update`: what they say, and what `score` says after, whatever becomes of an update."""

import functools
import json
from pathlib import Path

import click.testing
import pytest

from mobile_model import chosen_release, cli
from mobile_model.cli import DEFAULT_SOURCE
from mobile_model.conformance import CARD_FILE, MODEL_FILE, read
from mobile_model.updater import PhoneStore, update
from services.target import DEFAULT_ADDRESS
from tests.folders import forbid
from tests.mobile_model.terminal import assert_refused, run
from tests.mobile_model.texts import SOLICITATION
from tests.mobile_model.updater.repository_simulator import SOURCE, Clock, Repository

LINE = json.dumps({"text": SOLICITATION}).encode()


class PhoneOnNetwork:
    """Someone who types commands for one phone, on the publisher's network and clock."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.store = PhoneStore(folder)
        self.store.initialise(repository.root, SOURCE)

    def type(self, command: str, *arguments: str, lines: bytes = b"") -> click.testing.Result:
        return run(command, *arguments, "--state", str(self.store.directory), lines=lines)

    def shown(self, language: str) -> str:
        """What `score` shows, on one line."""
        result = self.type("score", SOLICITATION, "--language", language)
        assert (result.exit_code, result.stderr) == (0, "")
        return " ".join(result.stdout.replace("│", " ").split())


@pytest.fixture
def phone(tmp_path: Path, repository: Repository, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> PhoneOnNetwork:
    monkeypatch.setattr(cli, "update", functools.partial(update, fetcher=repository, now=clock))
    for module in (cli, chosen_release):
        monkeypatch.setattr(module, "utc_now", clock)
    return PhoneOnNetwork(tmp_path / "phone", repository)


@pytest.fixture
def version(repository: Repository) -> str:
    """A release that is offered, made 31 days ago."""
    made = repository.add_release(1, model=read(MODEL_FILE))
    repository.offer(made)
    return made


def test_the_usual_source_is_the_usual_suite() -> None:
    assert f"{DEFAULT_ADDRESS}/tuf/" == DEFAULT_SOURCE


def test_a_release_is_shown_with_its_age(phone: PhoneOnNetwork, version: str, clock: Clock) -> None:
    assert phone.type("update").stdout == f"no release -> {version} (made 31 days ago)\n"
    assert f"release {version}, made 31 days ago" in phone.shown("en")
    clock.pass_by(days=69)
    assert f"模型 {version}, 100 天前制作" in phone.shown("zh")


def test_under_expired_metadata_the_old_release_goes_on_and_its_age_is_said(
    phone: PhoneOnNetwork, version: str, clock: Clock
) -> None:
    phone.type("update")
    clock.pass_by(days=30)
    assert_refused(phone.type("update"), "signed too long ago", f"This phone goes on with {version}, made 61 days ago")
    assert f"release {version}, made 61 days ago" in phone.shown("en")


def test_without_a_network_the_old_release_goes_on_and_its_age_is_said(
    phone: PhoneOnNetwork, version: str, repository: Repository
) -> None:
    phone.type("update")
    repository.files.clear()
    assert_refused(phone.type("update"), f"? This phone goes on with {version}, made 31 days ago")


def test_a_phone_that_never_had_a_release_says_so(phone: PhoneOnNetwork, repository: Repository) -> None:
    assert "还没有可用的模型，全部放行" in phone.shown("zh")
    assert "there is no model on this phone yet, so everything is allowed" in phone.shown("en")
    notice = phone.type("score", "--jsonl", lines=LINE).stderr
    assert notice == (
        "quietline: this phone has no release yet, so it allows every message; `quietline phone update` looks for one\n"
    )
    repository.files.clear()
    assert_refused(phone.type("update"), "This phone has no release yet, so it allows every message")


def test_a_phone_whose_release_was_withdrawn_does_not_say_that_it_never_had_one(
    phone: PhoneOnNetwork, repository: Repository, version: str
) -> None:
    phone.type("update")
    repository.offer(None, withdrawn=(version,))
    assert phone.type("update").stdout == (
        f"{version} was withdrawn and nothing takes its place; every message is allowed until a release does\n"
    )
    for _ in range(2):
        assert f"模型 {version} 已被撤回，还没有新的，全部放行" in phone.shown("zh")
        assert f"the model {version} was withdrawn and nothing took its place" in phone.shown("en")
        result = phone.type("score", "--jsonl", lines=LINE)
        assert result.stderr == (
            f"quietline: {version} was withdrawn and nothing took its place, so this phone allows every message; "
            "`quietline phone update` looks for one\n"
        )
        assert json.loads(result.stdout)["action"] == "allow"
        phone.type("update")
    repository.files.clear()
    assert_refused(phone.type("update"), f"{version} was withdrawn and nothing took its place")


def test_a_release_after_a_withdrawn_one_is_shown_as_any_other(
    phone: PhoneOnNetwork, repository: Repository, version: str
) -> None:
    phone.type("update")
    repository.offer(None, withdrawn=(version,))
    phone.type("update")
    newer = repository.add_release(2, model=read(MODEL_FILE))
    repository.offer(newer, withdrawn=(version,))
    assert phone.type("update").stdout == f"no release -> {newer} (made 31 days ago)\n"
    assert f"release {newer}" in phone.shown("en")


def test_a_phone_is_made_once_and_shows_the_fingerprint(tmp_path: Path, repository: Repository) -> None:
    root = tmp_path / "root.json"
    root.write_bytes(repository.root)
    arguments = ["init", "--root", str(root), "--source", SOURCE, "--state", str(tmp_path / "phone")]
    made = run(*arguments)
    assert made.exit_code == 0
    assert len(made.stdout.split()[-16:]) == 16
    assert PhoneStore(tmp_path / "phone").settings().source == SOURCE
    assert_refused(run(*arguments), "holds a phone already")
    assert run(*arguments, "--replace").exit_code == 0


@pytest.mark.parametrize("content", [b"", b"{}", read(CARD_FILE), b"\xff" * 100, None])
def test_a_file_that_is_no_root_makes_no_phone(tmp_path: Path, content: bytes | None) -> None:
    root = tmp_path / "my.json"
    if content is not None:
        root.write_bytes(content)
    refused = run("init", "--root", str(root), "--state", str(tmp_path / "phone"))
    assert_refused(refused, str(root), "var/registry/tuf/metadata/1.root.json")
    assert not PhoneStore(tmp_path / "phone").is_initialised()


def test_a_root_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, tmp_path / "locked")
    refused = run("init", "--root", str(tmp_path / "locked" / "r.json"), "--state", str(tmp_path / "phone"))
    assert_refused(refused, "r.json", "Permission denied", "var/registry/tuf/metadata/1.root.json")


@pytest.mark.parametrize("command", [["init", "--root", "root.json"], ["update"], ["score", "hi"], ["explain", "hi"]])
def test_a_phone_that_may_not_be_read_is_one_line(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("root.json").write_bytes(repository.root)
    forbid(monkeypatch, tmp_path / "locked")
    assert_refused(run(*command, "--state", str(tmp_path / "locked" / "in")), "Permission denied")


def test_an_update_that_cannot_begin_is_one_line(tmp_path: Path, phone: PhoneOnNetwork) -> None:
    assert_refused(run("update", "--state", str(tmp_path / "nothing")), "holds no phone yet")
    assert_refused(phone.type("update", "--source", "nonsense"), "is no address")
