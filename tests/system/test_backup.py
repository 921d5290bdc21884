"""What a backup holds comes back whole or not at all, and phones follow; on PostgreSQL where one is named."""

import json
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import create_engine

import services.ingestion.app
import services.registry.app
import services.training.app
from services.backup import archive
from services.backup.errors import BackupError, DamagedBackupError, NotEmptyError, NothingHereError
from services.backup.manifest import MANIFEST, Manifest
from services.backup.places import Places
from services.cli import main
from services.embedded import DataDirectory, _is_free
from services.ingestion.settings import Settings as IngestionSettings
from services.registry.settings import Settings as RegistrySettings
from services.training.peers import Peers
from services.training.settings import Settings as TrainingSettings
from shared.auth import KeyEntry, KeyFile, Scope, hash_key
from tests.databases import POSTGRES, empty_database
from tests.registry.candidates import FIRST, SECOND
from tests.registry.conftest import Clock, Registry, new_phone
from tests.training.workers import ask_for

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def nothing(*_: object) -> None:
    """Takes note of no progress."""


@dataclass
class Stack:
    """A suite in a folder and databases of its own."""

    folder: Path
    urls: dict[str, str]
    clock: Clock
    snapshots_url: str
    apps: list[Flask] = field(default_factory=list)

    def __post_init__(self) -> None:
        room = self.folder
        self.ingestion_settings = IngestionSettings(
            database_url=self.urls["ingestion"], snapshots_url=self.snapshots_url, keys_file=room / "keys.json"
        )
        self.training_settings = TrainingSettings(
            database_url=self.urls["training"],
            dbos_database_url=self.urls["dbos"],
            runs_url=str(room / "runs"),
            executor_id_file=room / "executor-id",
            keys_file=room / "keys.json",
            peer_key_file=room / "peer.key",
            ingestion_url="http://peers/ingestion",
            registry_url="http://peers/registry",
        )
        self.registry_settings = RegistrySettings(
            database_url=self.urls["registry"],
            candidates_url=str(room / "candidates"),
            publish_dir=room / "tuf",
            tuf_keys_dir=room / "signing-keys",
            keys_file=room / "keys.json",
        )
        self.places = Places.of(self.ingestion_settings, self.training_settings, self.registry_settings)

    def make_keys(self) -> None:
        holders = {"admin": Scope.ADMIN, "publisher": Scope.PUBLISH, "training": Scope.SUBMIT}
        entries = tuple(
            KeyEntry(name=name, sha256=hash_key(name), scopes=frozenset({scope})) for name, scope in holders.items()
        )
        KeyFile(keys=entries).write(self.folder / "keys.json")
        (self.folder / "peer.key").write_text("peer-key")

    def start(self) -> None:
        for service, settings in (
            (services.ingestion.app, self.ingestion_settings),
            (services.training.app, self.training_settings),
            (services.registry.app, self.registry_settings),
        ):
            service.migrate(settings)  # type: ignore[arg-type]
        self.ingestion = services.ingestion.app.create_app(self.ingestion_settings, self.clock)
        self.training = services.training.app.create_app(
            self.training_settings, Peers.in_process(lambda *_: [], self.training_settings), now=self.clock
        )
        self.registry = Registry(self.registry_settings, self.clock)
        self.registry.start()
        self.apps = [self.ingestion, self.training]

    def close(self) -> None:
        for app in self.apps:
            app.extensions["engine"].dispose()
        if self.apps:
            self.registry.close()
            self.training.extensions["queue"].destroy()

    def ask(self, room: Flask, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": "Bearer admin"} | options.pop("headers", {})
        answer = room.test_client().open(f"/v1{path}", method=method, headers=headers, **options)
        assert answer.status_code < 300, answer.text
        return answer

    def report(self, body: str) -> dict[str, str]:
        content = {"sender": "95588", "body": body, "received_at": self.clock.at.isoformat(), "consent": True}
        receipt: dict[str, str] = self.ask(self.ingestion, "POST", "/reports", json=content).json
        return receipt


@contextmanager
def new_stack(folder: Path, snapshots_url: str | None = None) -> Iterator[Stack]:
    folder.mkdir()
    with ExitStack() as held:
        urls = {
            name: held.enter_context(empty_database(folder, f"{name}.sqlite"))
            for name in ("ingestion", "training", "dbos", "registry")
        }
        stack = Stack(folder, urls, Clock(), snapshots_url or str(folder / "snapshots"))
        yield stack
        stack.close()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A suite that was used: reports, a snapshot, a run, a release in service."""
    with new_stack(tmp_path / "one") as stack:
        stack.make_keys()
        stack.start()
        lines = '{"text": "一", "category": "porn"}\n{"text": "二", "category": "fraud"}\n'.encode()
        ndjson = {"Content-Type": "application/x-ndjson"}
        stack.ask(stack.ingestion, "POST", "/reports:import?source=desk", data=lines, headers=ndjson)
        stack.ask(stack.ingestion, "POST", "/snapshots")
        stack.registry.submit(FIRST)
        assert stack.registry.promote(FIRST).status_code == 200
        yield stack


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stack]:
    """Where a suite is to come back."""
    with new_stack(tmp_path / "two") as stack:
        yield stack


def back_up(stack: Stack, folder: Path) -> Manifest:
    return archive.back_up(stack.places, folder, NOW, nothing, nothing)


def bring_back(stack: Stack, folder: Path) -> None:
    manifest = Manifest.read(folder)
    manifest.check(folder, nothing)
    archive.restore(stack.places, folder, manifest, nothing, nothing)


def test_a_suite_comes_back_with_everything_and_phones_follow_it(stack: Stack, empty: Stack, tmp_path: Path) -> None:
    receipt = stack.report("您的验证码是604817")
    run_id = ask_for(stack.training.extensions["engine"])
    phone = new_phone(stack.registry, tmp_path / "phone")
    phone.update()
    back_up(stack, tmp_path / "backup")
    data = stack.ask(stack.ingestion, "GET", "/snapshots/latest/data").data

    bring_back(empty, tmp_path / "backup")
    empty.start()
    own = empty.ask(
        empty.ingestion, "GET", f"/reports/{receipt['receipt']}", headers={"X-Receipt-Secret": receipt["secret"]}
    )
    assert "⟦code:6⟧" in own.text
    assert empty.ask(empty.ingestion, "GET", "/snapshots/latest/data").data == data
    assert empty.ask(empty.training, "GET", f"/runs/{run_id}").json["state"] == "queued"
    assert empty.registry.get("/channels/stable").json["release"] == FIRST.version
    assert empty.registry.app.test_client().get("/readyz").status_code == 200
    assert empty.registry.submit(SECOND).json["state"] == "accepted", "the model of the release in service is there"
    phone.registry = empty.registry
    phone.update()
    assert phone.version == FIRST.version
    assert empty.registry.promote(SECOND).status_code == 200
    phone.update()
    assert phone.version == SECOND.version
    stranger = new_phone(empty.registry, tmp_path / "another-phone")
    stranger.update()
    assert stranger.version == SECOND.version


def restored_by_command(stack: Stack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Restores as an operator does, and gives what was said."""
    monkeypatch.setattr("services.backup.command.Places.of", lambda *_: stack.places)
    monkeypatch.setattr("services.backup.command._now", stack.clock)
    result = CliRunner().invoke(main, ["restore", str(folder), "--data", str(stack.folder)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_phone_that_saw_more_than_the_backup_knows_follows_all_the_same(
    stack: Stack, empty: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = new_phone(stack.registry, tmp_path / "phone")
    phone.update()
    back_up(stack, tmp_path / "backup")
    stack.registry.submit(SECOND)
    stack.registry.promote(SECOND)
    phone.update()
    assert phone.version == SECOND.version
    assert "are back" in restored_by_command(empty, tmp_path / "backup", monkeypatch)
    empty.start()
    phone.registry = empty.registry
    phone.update()
    assert phone.version == FIRST.version
    assert empty.registry.app.test_client().get("/readyz").status_code == 200


def test_without_the_targets_key_the_operator_is_told_to_bring_it(
    stack: Stack, empty: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = stack.registry_settings.tuf_keys_dir.glob("targets-*.pem")
    key.unlink()
    back_up(stack, tmp_path / "backup")
    assert "bring it and promote" in restored_by_command(empty, tmp_path / "backup", monkeypatch)


def test_a_backup_is_for_its_owner_alone_and_so_is_what_comes_back(stack: Stack, empty: Stack, tmp_path: Path) -> None:
    back_up(stack, tmp_path / "backup")
    bring_back(empty, tmp_path / "backup")
    for path in (tmp_path / "backup", *(tmp_path / "backup").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    for path in empty.folder.rglob("*"):
        is_public = path.is_relative_to(empty.registry_settings.publish_dir)
        assert is_public or stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_password_is_in_a_backup_but_those_that_are_meant(stack: Stack, tmp_path: Path) -> None:
    manifest = back_up(stack, tmp_path / "backup")
    names = {entry.path.split("/")[0] for entry in manifest.entries}
    assert names == {"databases", "published", "signing-keys", "snapshots", "candidates", "keys"}
    assert "://" not in (tmp_path / "backup" / MANIFEST).read_text()


def test_what_was_acknowledged_before_a_backup_is_in_it_though_reports_keep_coming(
    stack: Stack, empty: Stack, tmp_path: Path
) -> None:
    stop = threading.Event()
    before = [stack.report(f"之前{number}")["receipt"] for number in range(5)]

    def keep_reporting() -> None:
        while not stop.is_set():
            stack.report("之后")

    reporter = threading.Thread(target=keep_reporting)
    reporter.start()
    back_up(stack, tmp_path / "backup")
    stop.set()
    reporter.join()
    bring_back(empty, tmp_path / "backup")
    empty.start()
    reports = empty.ask(empty.ingestion, "GET", "/reports?limit=200").json["items"]
    assert sum("之前" in report["text"] for report in reports) == len(before)
    assert empty.ingestion.test_client().get("/readyz").status_code == 200


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("pattern", ["databases/ingestion.*", "published/metadata/*", "snapshots/*", "keys/peer-key"])
@pytest.mark.parametrize("harm", [damage, Path.unlink])
def test_a_backup_that_was_damaged_is_refused_before_anything_is_written(
    stack: Stack, empty: Stack, tmp_path: Path, pattern: str, harm: Callable[[Path], None]
) -> None:
    back_up(stack, tmp_path / "backup")
    harm(next((tmp_path / "backup").glob(pattern)))
    with pytest.raises(DamagedBackupError):
        bring_back(empty, tmp_path / "backup")
    assert list(empty.folder.iterdir()) == []


def test_a_backup_that_broke_off_is_none(stack: Stack, empty: Stack, tmp_path: Path) -> None:
    back_up(stack, tmp_path / "backup")
    (tmp_path / "backup" / MANIFEST).unlink()
    with pytest.raises(DamagedBackupError, match="broke off"):
        bring_back(empty, tmp_path / "backup")


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "runs/../../outside", "runs//a", ".", ""], ids=range(6))
def test_a_list_that_leads_out_of_the_backup_is_refused(stack: Stack, tmp_path: Path, path: str) -> None:
    back_up(stack, tmp_path / "backup")
    content = json.loads((tmp_path / "backup" / MANIFEST).read_text())
    content["entries"].append({"path": path, "bytes": 0, "sha256": "0" * 64})
    (tmp_path / "backup" / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(DamagedBackupError):
        Manifest.read(tmp_path / "backup")


def fill_database(stack: Stack) -> None:
    services.training.app.migrate(stack.training_settings)


def fill_folder(name: str) -> Callable[[Stack], None]:
    def fill(stack: Stack) -> None:
        place = Path(stack.places.folders[name])
        place.mkdir()
        (place / "something").write_text("precious")

    return fill


def fill_keys(stack: Stack) -> None:
    (stack.folder / "peer.key").write_text("another key")


@pytest.mark.parametrize(
    "fill",
    [fill_database, fill_folder("snapshots"), fill_folder("published"), fill_folder("signing-keys"), fill_keys],
    ids=["database", "snapshots", "published", "signing keys", "bearer key"],
)
def test_what_is_there_is_never_overwritten(
    stack: Stack, empty: Stack, tmp_path: Path, fill: Callable[[Stack], None]
) -> None:
    back_up(stack, tmp_path / "backup")
    fill(empty)
    before = {path: path.read_bytes() for path in empty.folder.rglob("*") if path.is_file()}
    with pytest.raises(NotEmptyError):
        bring_back(empty, tmp_path / "backup")
    assert {path: path.read_bytes() for path in empty.folder.rglob("*") if path.is_file()} == before


def test_keys_that_were_carried_over_by_hand_stay(stack: Stack, empty: Stack, tmp_path: Path) -> None:
    back_up(stack, tmp_path / "backup")
    (empty.folder / "keys.json").write_bytes((stack.folder / "keys.json").read_bytes())
    (empty.folder / "signing-keys").mkdir()
    for key in stack.registry_settings.tuf_keys_dir.iterdir():
        (empty.folder / "signing-keys" / key.name).write_bytes(key.read_bytes())
    bring_back(empty, tmp_path / "backup")
    empty.start()
    assert empty.registry.app.test_client().get("/readyz").status_code == 200


def test_a_backup_goes_into_a_folder_of_its_own(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "note").write_text("precious")
    with pytest.raises(NotEmptyError):
        back_up(stack, tmp_path / "backup")


def test_where_no_suite_was_there_is_nothing_to_save(empty: Stack, tmp_path: Path) -> None:
    with pytest.raises(NothingHereError):
        back_up(empty, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_backup_of_a_newer_version_is_refused(stack: Stack, empty: Stack, tmp_path: Path) -> None:
    engine = create_engine(stack.urls["ingestion"])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    back_up(stack, tmp_path / "backup")
    with pytest.raises(DamagedBackupError, match="install a newer one"):
        bring_back(empty, tmp_path / "backup")


def test_files_in_an_object_store_come_back_into_one(tmp_path: Path) -> None:
    with (
        new_stack(tmp_path / "two", f"memory://{tmp_path.name}/from") as far,
        new_stack(tmp_path / "three", f"memory://{tmp_path.name}/to") as there,
    ):
        far.make_keys()
        far.start()
        lines = '{"text": "一", "category": "porn"}\n{"text": "二", "category": "fraud"}\n'.encode()
        ndjson = {"Content-Type": "application/x-ndjson"}
        far.ask(far.ingestion, "POST", "/reports:import?source=desk", data=lines, headers=ndjson)
        far.ask(far.ingestion, "POST", "/snapshots")
        back_up(far, tmp_path / "backup")
        bring_back(there, tmp_path / "backup")
        there.start()
        data = [one.ask(one.ingestion, "GET", "/snapshots/latest/data").data for one in (far, there)]
        assert data[0] == data[1] != b""


@pytest.mark.skipif(POSTGRES is not None, reason="the databases are files here")
def test_a_damaged_database_is_noticed_when_it_is_saved(stack: Stack, tmp_path: Path) -> None:
    stack.close()
    file = stack.folder / "ingestion.sqlite"
    content = bytearray(file.read_bytes())
    content[4096 : 3 * 4096] = bytes(2 * 4096)
    file.write_bytes(content)
    with pytest.raises(BackupError, match=r"use an earlier backup|cannot be read"):
        back_up(stack, tmp_path / "backup")
    assert not (tmp_path / "backup" / MANIFEST).exists()


@pytest.mark.skipif(POSTGRES is None, reason="SQLite needs no program")
def test_a_missing_program_of_postgresql_is_named(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="pg_dump is not installed"):
        back_up(stack, tmp_path / "backup")


def test_the_commands_save_and_bring_back_the_suite_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    DataDirectory(tmp_path / "var").prepare()
    services.registry.app.create_app(DataDirectory(tmp_path / "var").registry()).extensions["engine"].dispose()
    saved = CliRunner().invoke(main, ["backup", "saved"])
    assert (saved.exit_code, "quietline restore saved" in saved.stdout) == (0, True), saved.output
    again = CliRunner().invoke(main, ["backup", "saved"])
    assert (again.exit_code, "saved is not empty" in again.stderr) == (2, True)
    into_itself = CliRunner().invoke(main, ["restore", "saved"])
    assert (into_itself.exit_code, "is there already" in into_itself.stderr) == (2, True)
    back = CliRunner().invoke(main, ["restore", "saved", "--data", "fresh"])
    assert (back.exit_code, "are back" in back.stdout) == (0, True), back.output
    fresh, old = DataDirectory(tmp_path / "fresh"), DataDirectory(tmp_path / "var")
    fresh.prepare()
    assert fresh.admin_key() == old.admin_key()


def test_a_running_suite_is_not_restored_over(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "var")
    data.path.mkdir()
    (tmp_path / "saved").mkdir()
    with data.lock_file.open("a+", encoding="ascii") as lock:
        assert _is_free(lock)
        lock.write("http://127.0.0.1:8700")
        lock.flush()
        result = CliRunner().invoke(main, ["restore", str(tmp_path / "saved"), "--data", str(data.path)])
    assert result.exit_code == 2
    assert "http://127.0.0.1:8700; stop it" in result.stderr


def test_an_environment_that_says_too_little_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUIETLINE_INGESTION_DATABASE_URL", "sqlite:///x")
    result = CliRunner().invoke(main, ["backup", str(tmp_path / "saved"), "--from-environment"])
    assert result.exit_code == 2
    assert "snapshots_url" in result.stderr
