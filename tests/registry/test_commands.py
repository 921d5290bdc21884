"""`quietline keys`: production keys, rotation and bearer keys; what goes wrong is one line and exit code 2."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import main
from services.registry.app import migrate
from services.registry.metadata import DevelopmentKeysError
from services.registry.signing import ROLES
from shared.auth import KeyRing, Scope
from shared.release_card import root_fingerprint
from tests.folders import forbid
from tests.registry.candidates import FIRST
from tests.registry.conftest import Clock, Registry, new_phone, settings_in


class Terminal:
    """Someone who types commands in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def type(self, command: str, **places: str) -> Result:
        paths = {"publish-dir": "tuf", "keys-dir": "keys", "keys-file": "keys.json"}
        wanted = {"init": paths.keys(), "rotate": {"publish-dir", "keys-dir"}, "add": {"keys-file"}}
        words = command.split()
        for name in wanted[words[0]]:
            words += [f"--{name}", places.get(name.replace("-", "_"), str(self.folder / paths[name]))]
        return CliRunner().invoke(main, ["keys", *(word.replace("@", f"{self.folder}/") for word in words)])


@pytest.fixture
def terminal(tmp_path) -> Terminal:
    return Terminal(tmp_path)


def fails(result: Result, words: str) -> None:
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def bearer_key(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.split()[-1]


@pytest.fixture
def production(terminal) -> tuple[Registry, Result]:
    made = terminal.type("init --out @away")
    settings = settings_in(terminal.folder, mode="production")
    migrate(settings)
    registry = Registry(settings, Clock(at=Clock.now()))
    registry.start()
    return registry, made


class TestInit:
    def test_it_makes_a_suite_that_production_accepts(self, production, terminal):
        registry, made = production
        admin = bearer_key(made)
        assert KeyRing.from_file(terminal.folder / "keys.json", production=True).find(admin).may(Scope.PUBLISH)
        assert registry.get("/channels/stable", by=admin).json["release"] is None
        assert registry.app.test_client().get("/readyz").status_code == 200

    def test_the_root_key_goes_to_the_folder_that_is_taken_away(self, terminal):
        assert terminal.type("init --out @away").exit_code == 0
        assert [file.name.partition("-")[0] for file in (terminal.folder / "away").iterdir()] == ["root"]
        online = {file.name.partition("-")[0] for file in (terminal.folder / "keys").iterdir()}
        assert online == {"targets", "snapshot", "timestamp"}

    def test_a_root_key_that_was_left_online_stops_production(self, production, terminal):
        registry, _ = production
        [root_key] = (terminal.folder / "away").iterdir()
        shutil.copy(root_key, terminal.folder / "keys")
        with pytest.raises(DevelopmentKeysError, match="root key lies beside"):
            registry.start()

    def test_it_shows_the_fingerprint_that_phones_show(self, production, tmp_path):
        registry, made = production
        root = (registry.settings.publish_dir / "metadata" / "1.root.json").read_bytes()
        assert root_fingerprint(root) in made.stdout
        shown = new_phone(registry, tmp_path / "phone").store.root()
        assert root_fingerprint(shown) in made.stdout

    def test_the_admins_key_goes_to_the_file_that_is_named_and_nowhere_else(self, terminal):
        made = terminal.type("init --out @away --admin-key-file @new/admin.key")
        assert made.exit_code == 0
        file = terminal.folder / "new" / "admin.key"
        assert file.stat().st_mode & 0o777 == 0o600
        key = file.read_text()
        assert key not in made.output
        assert KeyRing.from_file(terminal.folder / "keys.json", production=True).find(key).may(Scope.ADMIN)

    @pytest.mark.parametrize("place", ["file/admin.key", "file"])
    def test_where_the_admins_key_cannot_be_written_nothing_is_made(self, terminal, place):
        (terminal.folder / "file").write_text("mine")
        fails(terminal.type(f"init --out @away --admin-key-file @{place}"), "file")
        assert (terminal.folder / "file").read_text() == "mine"
        assert not (terminal.folder / "tuf" / "metadata").exists()
        assert not (terminal.folder / "keys.json").exists()
        bearer_key(terminal.type("init --out @away"))

    @pytest.mark.parametrize("broken", ["keys_file", "keys_dir"])
    def test_where_something_else_cannot_be_written_no_key_is_left_that_opens_nothing(self, terminal, broken):
        (terminal.folder / "file").write_text("")
        places = {broken: str(terminal.folder / "file" / "below")}
        fails(terminal.type("init --out @away --admin-key-file @admin.key", **places), f"{terminal.folder}/file")
        assert not (terminal.folder / "admin.key").exists()
        assert not (terminal.folder / "keys.json").exists()
        assert terminal.type("init --out @away --admin-key-file @admin.key").exit_code == 0

    def test_what_fails_after_something_was_published_does_not_lose_the_admins_key(self, terminal, monkeypatch):
        def refuse(*_arguments: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("services.registry.commands.Repository.stage", refuse)
        failed = terminal.type("init --out @away")
        fails(failed, "No space left on device")
        ring = KeyRing.from_file(terminal.folder / "keys.json", production=True)
        assert ring.find(failed.stdout.split()[-1]).may(Scope.ADMIN)

    def test_a_file_for_the_admins_key_is_refused_where_there_are_keys_already(self, terminal):
        bearer_key(terminal.type("add one --scope admin"))
        fails(terminal.type("init --out @away --admin-key-file @admin.key"), "holds bearer keys already")
        assert not (terminal.folder / "tuf").exists()
        assert not (terminal.folder / "admin.key").exists()

    def test_the_targets_key_can_stay_offline(self, terminal):
        assert terminal.type("init --out @away --targets-offline").exit_code == 0
        assert {file.name.partition("-")[0] for file in (terminal.folder / "away").iterdir()} == {"root", "targets"}
        settings = settings_in(terminal.folder, mode="production")
        migrate(settings)
        Registry(settings, Clock(at=Clock.now())).start()

    def test_a_second_time_changes_nothing(self, terminal):
        terminal.type("init --out @away")
        before = {path: path.read_bytes() for path in terminal.folder.rglob("*") if path.is_file()}
        fails(terminal.type("init --out @elsewhere"), "was published before")
        assert {path: path.read_bytes() for path in terminal.folder.rglob("*") if path.is_file()} == before

    def test_the_root_key_may_not_lie_with_the_others(self, terminal):
        fails(terminal.type("init --out @keys"), "--out must be another folder")
        assert not (terminal.folder / "tuf").exists()

    def test_development_keys_do_not_become_production_keys(self, registry, terminal):
        shutil.copy(registry.settings.keys_file, terminal.folder / "keys.json")
        text = (terminal.folder / "keys.json").read_text()
        (terminal.folder / "keys.json").write_text(text.replace('"development": false', '"development": true'))
        fails(terminal.type("init --out @away"), "development keys")
        assert not (terminal.folder / "tuf").exists()

    def test_a_folder_that_cannot_be_written_is_one_line(self, terminal):
        (terminal.folder / "file").write_text("")
        fails(terminal.type("init --out @file/below"), "Not a directory")


class TestRotate:
    def test_every_key_can_be_rotated_with_the_root_key_that_is_brought_back(self, production, terminal, tmp_path):
        registry, made = production
        admin = bearer_key(made)
        phone = new_phone(registry, tmp_path / "phone")
        phone.update()
        result = terminal.type("rotate --root-keys @away")
        assert result.exit_code == 0
        assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [*ROLES]
        registry.call("POST", "/candidates", by=admin, data=FIRST.parts())
        assert registry.post("/channels/stable/promote", {"version": FIRST.version}, by=admin).status_code == 200
        phone.update()
        assert phone.version == FIRST.version

    @pytest.mark.usefixtures("production")
    @pytest.mark.parametrize("brought", ["", " --root-keys @keys", " --root-keys @tuf"])
    def test_without_the_root_key_nothing_is_rotated_and_it_says_how_to_name_it(self, terminal, brought):
        before = sorted((terminal.folder / "keys").iterdir())
        [root_key] = (terminal.folder / "away").iterdir()
        words = f"the root key is offline; name the folder that holds {root_key.name} with --root-keys"
        fails(terminal.type(f"rotate --role timestamp{brought}"), words)
        assert sorted((terminal.folder / "keys").iterdir()) == before

    def test_an_offline_targets_key_is_rotated_where_it_lies(self, terminal):
        terminal.type("init --out @away --targets-offline")
        before = {file.name for file in (terminal.folder / "away").iterdir()}
        assert terminal.type("rotate --role targets --root-keys @away").exit_code == 0
        after = {file.name for file in (terminal.folder / "away").iterdir()}
        assert len(after) == len(before) == 2
        assert len(after & before) == 1
        assert not list((terminal.folder / "keys").glob("targets-*"))

    def test_where_nothing_was_published_it_says_so(self, terminal):
        fails(terminal.type("rotate"), "was never published")
        assert not (terminal.folder / "tuf").exists()

    def test_a_folder_that_may_not_be_read_is_one_line(self, terminal, monkeypatch):
        forbid(monkeypatch, terminal.folder / "tuf")
        fails(terminal.type("rotate"), "Permission denied")

    @pytest.mark.usefixtures("production")
    def test_a_key_file_that_is_none_is_named(self, terminal):
        [key] = (terminal.folder / "keys").glob("timestamp-*.pem")
        key.write_text("no key")
        fails(terminal.type("rotate --role timestamp --root-keys @away"), f"{key.name} is no PEM file")


class TestAdd:
    def test_the_key_is_shown_once_and_its_hash_is_kept(self, terminal):
        key = bearer_key(terminal.type("add training --scope submit --scope read_snapshot"))
        holder = KeyRing.from_file(terminal.folder / "keys.json", production=True).find(key)
        assert (holder.name, holder.scopes) == ("training", {Scope.SUBMIT, Scope.READ_SNAPSHOT})
        assert key not in (terminal.folder / "keys.json").read_text()

    def test_other_keys_stay(self, terminal):
        first = bearer_key(terminal.type("add one --scope report"))
        bearer_key(terminal.type("add two --scope report"))
        assert KeyRing.from_file(terminal.folder / "keys.json", production=True).find(first).name == "one"

    def test_a_name_is_given_once(self, terminal):
        terminal.type("add one --scope report")
        fails(terminal.type("add one --scope admin"), "holds a key named one already")

    def test_a_file_that_is_no_key_file_is_left_alone(self, terminal):
        (terminal.folder / "keys.json").write_text("[]")
        fails(terminal.type("add one --scope report"), "is no key file")
        assert (terminal.folder / "keys.json").read_text() == "[]"

    def test_a_name_that_is_too_long_is_refused(self, terminal):
        fails(terminal.type(f"add {'n' * 61} --scope report"), "1 to 60 characters")

    def test_a_key_goes_into_a_new_file_if_one_is_named(self, terminal):
        made = terminal.type("add training --scope submit --key-file @training.key")
        assert made.exit_code == 0, made.output
        assert "ql_" not in made.output
        file = terminal.folder / "training.key"
        assert KeyRing.from_file(terminal.folder / "keys.json", production=True).find(file.read_text()) is not None
        assert file.stat().st_mode & 0o777 == 0o600
        fails(terminal.type("add other --scope submit --key-file @training.key"), "is there already")

    def test_a_key_that_could_not_be_made_leaves_no_file(self, terminal):
        terminal.type("add one --scope report")
        fails(terminal.type("add one --scope report --key-file @one.key"), "holds a key named one already")
        assert not (terminal.folder / "one.key").exists()


def test_what_root_writes_belongs_to_whom_it_belonged_before(terminal, monkeypatch):
    """A service of another user must be able to read what root rotated or added."""
    owners = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.fchown", lambda _file, *owner: owners.append(owner))
    monkeypatch.setattr("os.chown", lambda _file, *owner: owners.append(owner))
    assert terminal.type("init --out @away").exit_code == 0
    here = terminal.folder.stat()
    assert set(owners) == {(here.st_uid, here.st_gid)}
    owners.clear()
    bearer_key(terminal.type("add one --scope report"))
    assert owners == [(here.st_uid, here.st_gid)]
