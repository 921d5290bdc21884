"""The walk that services/README.md describes for production, and what stops it."""

import re
import shlex
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import main
from services.embedded import DataDirectory
from shared.auth import KeyFileError, new_key
from tests.system.suite import ROOT, free_port, run_command


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUIETLINE_MODE", "production")
    return tmp_path


def command_of_the_readme(name: str) -> list[str]:
    """Gives the words of the first command of that name below the heading "Production"."""
    section = (ROOT / "services" / "README.md").read_text("utf8").partition("## Production")[2]
    found = re.search(rf"quietline ({name} [^`\n]*)", section)
    assert found is not None
    return shlex.split(found[1], comments=True)


def type_in(words: list[str], **replaced: str) -> str:
    result = CliRunner().invoke(main, [replaced.get(word.strip("/").replace("/", "_"), word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_keys_of_the_readme_are_enough_to_start_with(folder: Path) -> None:
    said = type_in(command_of_the_readme("keys init"), media_offline="offline")
    assert "ql_" not in said
    data = DataDirectory(folder / "var")
    assert stat.S_IMODE(data.admin_key_file.stat().st_mode) == 0o600
    assert [key.name.partition("-")[0] for key in (folder / "offline").iterdir()] == ["root"]
    data.prepare()
    (folder / "offline").rename(folder / "safe")
    rotated = type_in(command_of_the_readme("keys rotate"), media_offline="safe")
    assert len(rotated.splitlines()) == 4
    initialised = type_in(command_of_the_readme("phone init"), FILE="var/registry/tuf/metadata/1.root.json")
    fingerprint = re.search(r"its fingerprint: (.*)", said)
    assert fingerprint is not None
    assert fingerprint[1] in initialised


@pytest.mark.parametrize("key", [None, "", new_key()], ids=["missing", "empty", "unknown"])
def test_a_suite_whose_training_could_call_nobody_does_not_start(folder: Path, key: str | None) -> None:
    type_in(command_of_the_readme("keys init"), media_offline="offline")
    data = DataDirectory(folder / "var")
    data.admin_key_file.unlink()
    if key is not None:
        data.admin_key_file.write_text(key, "ascii")
    with pytest.raises(KeyFileError, match=r"admin\.key must hold a key of .*keys\.json"):
        data.prepare()


def test_a_key_file_of_the_admin_that_is_there_is_not_overwritten(folder: Path) -> None:
    (folder / "var").mkdir()
    (folder / "var" / "admin.key").write_text("precious", "ascii")
    result = CliRunner().invoke(main, ["keys", "init", "--out", "offline", "--admin-key-file", "var/admin.key"])
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert (folder / "var" / "admin.key").read_text("ascii") == "precious"
    assert not (folder / "var" / "keys.json").exists()


def test_the_keys_of_a_demo_are_refused_with_a_way_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUIETLINE_MODE")
    DataDirectory(folder / "var").prepare()
    monkeypatch.setenv("QUIETLINE_MODE", "production")
    with pytest.raises(KeyFileError, match="in a folder of its own"):
        DataDirectory(folder / "var").prepare()
    result = CliRunner().invoke(main, ["keys", "init", "--out", "offline"])
    assert result.exit_code == 2
    assert "in a folder of its own" in result.stderr


@pytest.mark.system
@pytest.mark.enable_socket
def test_production_makes_no_key_by_itself_and_says_so_in_one_line(folder: Path) -> None:
    done = run_command("up", "--port", str(free_port()), folder=folder)
    assert done.returncode == 2
    assert "quietline keys init" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list((folder / "var").rglob("*key*"))
