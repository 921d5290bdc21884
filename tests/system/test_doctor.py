"""The doctor says what is wrong with a suite that is really broken, and that a sound one is sound."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import click.testing
import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import services.registry.app
from services.cli import main
from services.doctor import command
from services.doctor.folder import examine_folder
from services.doctor.words import remedies
from services.embedded import DataDirectory, Suite, start_suite
from services.registry.files import Disk
from services.registry.repository import Repository
from services.registry.signing import KeyFolder
from services.target import Target
from shared.auth import KeyEntry, KeyFile, Scope, hash_key
from shared.web import State, judge_clock, look_at_room
from shared.web.diagnosis import FAILED_BYTES
from tests.system.suite import run_command, running_suite

Findings = dict[tuple[str, str], tuple[str, str]]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Patient:
    """A suite in this process, and the machine that looks at it."""

    suite: Suite
    data: DataDirectory
    key_file: Path
    ahead: timedelta = timedelta(0)

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answers as a server does whose clock may be ahead."""

        def dated(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            date = format_datetime(utc_now() + self.ahead, usegmt=True)
            return start_response(status, [*headers, ("Date", date)], *rest)

        return self.suite.wsgi(environ, dated)

    def type_in(self, *words: str) -> click.testing.Result:
        return CliRunner().invoke(
            main, ["--address", "http://suite", "--key-file", str(self.key_file), "doctor", *words]
        )

    def findings(self, *words: str) -> tuple[int, Findings]:
        """Gives the exit code, and what was found by place and check; of several, the worst."""
        result = self.type_in("--json", *words)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        found: Findings = {}
        for one in json.loads(result.stdout)["findings"]:
            place = one["where"], one["check"]
            if place not in found or [*State].index(one["state"]) > [*State].index(found[place][0]):
                found[place] = one["state"], one["words"]
        return result.exit_code, found


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    data = DataDirectory(tmp_path / "var")
    data.path.mkdir(mode=0o700)
    data.prepare()
    suite = start_suite(data)
    (tmp_path / "admin.key").write_text(data.admin_key())
    patient = Patient(suite, data, tmp_path / "admin.key")
    monkeypatch.setattr(
        command,
        "_new_client",
        lambda: httpx.Client(transport=httpx.WSGITransport(patient.wsgi), base_url="http://suite"),
    )
    yield patient
    suite.stop()


def bad(found: Findings) -> dict[tuple[str, str], str]:
    return {place: words for place, (state, words) in found.items() if state == "failed"}


@pytest.mark.usefixtures("quiet_suite")
def test_a_sound_suite_is_found_sound_in_words_of_both_languages(patient: Patient) -> None:
    for path in patient.data.path.rglob("*.sqlite"):
        path.chmod(0o600)
    code, found = patient.findings("--data", str(patient.data.path))
    assert (code, bad(found)) == (0, {})
    assert {where for where, _ in found} == {"ingestion", "training", "registry", "phones", "folder"}
    shown = patient.type_in()
    assert shown.exit_code == 0
    for words in ("0 failed", "0 项故障", "database 数据库", "ok 正常"):
        assert words in shown.stdout


@pytest.mark.usefixtures("quiet_suite")
def test_every_check_has_a_name_and_a_remedy_in_both_languages(patient: Patient) -> None:
    checks = {check for _, check in patient.findings("--data", str(patient.data.path))[1]}
    assert checks <= remedies().keys()
    for remedy in remedies().values():
        assert all(remedy)
        assert (remedy.name + remedy.advice).isascii()
        assert not remedy.name_zh.isascii()


def break_revision(patient: Patient) -> None:
    engine = create_engine(patient.data.ingestion().database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    engine.dispose()


def stop_worker(patient: Patient) -> None:
    patient.suite.worker.stop()


def lose_peer_key(patient: Patient) -> None:
    patient.data.training().peer_key_file.write_text("")


def lose_signing_key(patient: Patient) -> None:
    next(patient.data.registry().tuf_keys_dir.glob("timestamp-*.pem")).unlink()


def let_signatures_expire(patient: Patient) -> None:
    """Publishes what a registry would have published last that stood still ten days ago."""
    patient.suite.stop_resigning()
    settings, disk = patient.data.registry(), Disk()
    long_ago = utc_now() - timedelta(days=10)
    Repository(settings.publish_dir, KeyFolder(settings.tuf_keys_dir, disk), lambda: long_ago, disk).leap()


def damage_what_is_published(patient: Patient) -> None:
    next((patient.data.registry().publish_dir / "targets" / "channels").iterdir()).write_text("{}")


def break_database_file(patient: Patient) -> None:
    file = patient.data.path / "registry" / "registry.sqlite"
    patient.suite.stop()
    assert isinstance(patient.suite.wsgi, DispatcherMiddleware)
    patient.suite.wsgi.mounts["/registry"].extensions["engine"].dispose()  # type: ignore[attr-defined]
    file.unlink()
    file.mkdir()


@pytest.mark.usefixtures("quiet_suite")
@pytest.mark.parametrize(
    ("breaking", "place", "words"),
    [
        (break_revision, ("ingestion", "database"), "not at head"),
        (break_revision, ("folder", "database"), "ingestion: the tables are not at head"),
        (stop_worker, ("training", "worker"), "no worker"),
        (lose_peer_key, ("training", "peer_key"), "QUIETLINE_TRAINING_PEER_KEY_FILE"),
        (lose_peer_key, ("training", "ingestion_from_training"), "the key for ingestion cannot be read"),
        (lose_signing_key, ("registry", "signing_keys"), "timestamp"),
        (lose_signing_key, ("folder", "signing_keys"), "timestamp"),
        (let_signatures_expire, ("registry", "signatures"), "expired"),
        (let_signatures_expire, ("registry", "publication"), "signatures have expired: timestamp"),
        (let_signatures_expire, ("phones", "phone"), "signed too long ago"),
        (let_signatures_expire, ("folder", "signatures"), "expired"),
        (damage_what_is_published, ("phones", "phone"), ""),
        (break_database_file, ("registry", "database"), "does not answer (OperationalError)"),
        (break_database_file, ("folder", "database"), "registry:"),
    ],
)
def test_what_is_broken_is_named_and_the_command_fails(
    patient: Patient, breaking: Callable[[Patient], None], place: tuple[str, str], words: str
) -> None:
    breaking(patient)
    code, found = patient.findings("--data", str(patient.data.path))
    assert code == 1
    assert place in bad(found), bad(found)
    assert words in bad(found)[place]


@pytest.mark.usefixtures("quiet_suite")
def test_what_failed_comes_with_what_helps(patient: Patient) -> None:
    lose_signing_key(patient)
    shown = " ".join(patient.type_in().stdout.replace("│", " ").split())
    assert "Put the keys into the folder of keys." in shown
    assert "把密钥放回密钥目录。" in shown
    assert "1 failed" in shown


@pytest.mark.usefixtures("quiet_suite")
def test_a_clock_that_is_wrong_is_told_with_its_direction(patient: Patient) -> None:
    patient.ahead = timedelta(minutes=10)
    code, found = patient.findings()
    state, words = found["ingestion", "clock"]
    assert (code, state) == (1, "failed")
    assert "seen from this machine, is 600 s ahead" in words or "is 599 s ahead" in words
    assert found["training", "registry_from_training"][0] == "ok", "in one process there is one clock"


@pytest.mark.usefixtures("quiet_suite")
def test_without_the_admins_key_less_is_told_and_nothing_is_guessed(patient: Patient) -> None:
    patient.key_file.unlink()
    patient.suite.worker.stop()
    code, found = patient.findings()
    assert code == 1
    assert found["registry", "key"][0] == "warning"
    assert found["registry", "publication"] == ("ok", "ok")
    assert found["training", "worker"][0] == "failed"


@pytest.mark.usefixtures("quiet_suite")
@pytest.mark.parametrize(("scope", "words"), [(None, "not known here"), (Scope.REPORT, "lacks the scope admin")])
def test_a_key_that_is_none_of_the_admin_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: Scope | None, words: str
) -> None:
    data = DataDirectory(tmp_path / "var")
    data.path.mkdir()
    data.prepare()
    if scope is not None:
        known = KeyFile.model_validate_json(data.key_file.read_bytes()).keys
        extra = KeyEntry(name="phone", sha256=hash_key("ql_phone"), scopes=frozenset({scope}))
        KeyFile(keys=(*known, extra)).write(data.key_file)
    app = services.registry.app.create_app(data.registry())
    data.admin_key_file.write_text("ql_phone")
    monkeypatch.setattr(command, "_new_client", lambda: httpx.Client(transport=httpx.WSGITransport(mounted(app))))
    found = command._suite_doctor(Target("http://suite", data.admin_key_file)).examine()
    told = [finding for where, finding in found if where == "registry" and finding.check == "key"]
    app.extensions["engine"].dispose()
    assert [(finding.state, finding.words) for finding in told] == [(State.FAILED, words)]


def mounted(app: Any) -> Any:
    def below_its_name(environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/registry")
        return app(environ, start_response)

    return below_its_name


@pytest.mark.enable_socket
def test_where_nobody_answers_everything_is_said_to_fail() -> None:
    result = CliRunner().invoke(main, ["--address", "http://127.0.0.1:9", "doctor", "--json"])
    found = {(one["where"], one["check"]): one["state"] for one in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 1
    assert found == {
        ("ingestion", "answers"): "failed",
        ("training", "answers"): "failed",
        ("registry", "answers"): "failed",
        ("phones", "phone"): "failed",
    }


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (finding,) = examine_folder(DataDirectory(tmp_path / "nowhere"), utc_now())
    assert (finding.state, "does not exist" in finding.words) == (State.FAILED, True)


def test_a_root_key_that_lies_among_those_of_production_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataDirectory(tmp_path / "var")
    data.path.mkdir()
    data.prepare()
    services.registry.app.create_app(data.registry()).extensions["engine"].dispose()
    monkeypatch.setenv("QUIETLINE_MODE", "production")
    found = {finding.check: finding for finding in examine_folder(data, utc_now())}
    assert found["root_key"].state is State.FAILED
    assert "development keys" in found["keys"].words


def test_secrets_that_others_may_read_are_named(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "var")
    data.path.mkdir()
    data.prepare()
    data.key_file.chmod(0o644)
    found = {finding.check: finding for finding in examine_folder(data, utc_now())}
    assert found["modes"].state is State.WARNING
    assert "keys.json" in found["modes"].words


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0.0, State.OK), (-4.9, State.OK), (6.0, State.WARNING), (-59.0, State.WARNING), (61.0, State.FAILED)],
)
def test_clocks_are_judged_by_how_far_they_are_apart(seconds: float, state: State) -> None:
    assert judge_clock(seconds, "it")[0] is state


def test_a_disk_without_room_fails_and_an_object_store_is_not_asked() -> None:
    assert look_at_room("/proc/self")[0] is State.FAILED, f"{FAILED_BYTES} bytes are free in no /proc"
    assert look_at_room("s3://bucket/prefix")[0] is State.OK


@pytest.mark.system
@pytest.mark.enable_socket
def test_a_real_suite_is_examined_while_it_runs_and_while_it_is_at_rest(tmp_path: Path) -> None:
    with running_suite(tmp_path / "var") as suite:
        words = ["--address", suite.address, "--key-file", str(suite.data.admin_key_file), "doctor"]
        done = run_command(*words, "--data", str(suite.data.path))
        assert done.returncode == 0, done.stdout
        assert "0 failed" in done.stdout
    done = run_command(*words, "--data", str(suite.data.path), "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)["findings"]
    assert {one["where"] for one in found if one["state"] == "failed"} == {
        "ingestion", "training", "registry", "phones",
    }  # fmt: skip
