"""Whatever a newcomer types wrong is answered with one line that says what to do, and exit code 2."""

import gzip
from pathlib import Path

import click.testing
import pytest
from click.testing import CliRunner

from services.cli import main
from tests.system.suite import run_command

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
ROOT_OF_A_SUITE = "var/registry/tuf/metadata/1.root.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what people have by mistake, and no suite."""
    monkeypatch.chdir(tmp_path)
    for variable in ("QUIETLINE_ADDRESS", "QUIETLINE_KEY_FILE", "QUIETLINE_MODE", "QUIETLINE_PHONE"):
        monkeypatch.delenv(variable, raising=False)
    for directory in ("directory", "unread", "unlearned"):
        (tmp_path / directory).mkdir()
    for name, content in {
        "empty.csv": b"",
        "empty.jsonl": b"",
        "blank.jsonl": b"\n\n",
        "no-columns.csv": b"a,b\n1,2\n",
        "picture.png": PNG,
        "picture.csv": PNG,
        "picture.jsonl": PNG,
        "packed.jsonl": gzip.compress(b'{"text": "a"}'),
        "gb18030.csv": "text,category\n您的快递有异常请联系客服退款,fraud\n".encode("gb18030"),
        "key": b"ql_key",
        "no-key": b"\n",
        "unread/one.jsonl": b'{"text": "a", "label": "porn"}\n{\n',
        "unlearned/one.jsonl": b'{"text": "a", "label": "porn"}\n',
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def type_in(line: str) -> click.testing.Result:
    result = CliRunner().invoke(main, line.split())
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fly", "`main --help` shows how"),
        ("--fly up", "`main --help` shows how"),
        ("phone fly", "`main phone --help` shows how"),
        ("phone score --fly a", "`main phone score --help` shows how"),
        ("phone score", "give either a TEXT or --jsonl"),
        ("phone score a", "phone init --root FILE"),
        ("phone score --jsonl", "phone init --root FILE"),
        ("phone explain a", "phone init --root FILE"),
        ("phone update", "phone init --root FILE"),
        ("phone init", "--root"),
        ("phone init --root missing.json", ROOT_OF_A_SUITE),
        ("phone init --root picture.png", ROOT_OF_A_SUITE),
        ("phone init --root empty.csv", ROOT_OF_A_SUITE),
        ("phone init --root directory", "is a directory"),
        ("evaluate", "--data"),
        ("evaluate --data missing", "does not exist"),
        ("evaluate --data directory", "phone init --root FILE"),
        ("evaluate --data directory --model picture.png --card picture.png", "no release card"),
        ("snapshot", "`quietline up` makes it"),
        ("--key-file missing snapshot", "--key-file names another"),
        ("--key-file no-key snapshot", "no-key holds no key"),
        ("--key-file picture.png release list", "--key-file names another"),
        ("--key-file key --address nonsense snapshot", "an address looks like http://127.0.0.1:8700"),
        ("import missing.csv", "does not exist"),
        ("import directory", "name one of jsonl, csv"),
        ("import empty.csv", "is empty"),
        ("import empty.jsonl", "empty.jsonl holds no reports"),
        ("import blank.jsonl", "blank.jsonl holds no reports"),
        ("import no-columns.csv", "name the columns"),
        ("import picture.png", "name one of jsonl, csv"),
        ("import picture.csv", "binary file"),
        ("import picture.jsonl", "binary file"),
        ("import packed.jsonl", "unpack it first"),
        ("import gb18030.csv", "`quietline up` makes it"),
        ("demo --reports missing.csv", "does not exist"),
        ("demo --reports directory", "is a directory"),
        ("demo --reports picture.png", "name one of jsonl, csv"),
        ("demo --data key", "is a file"),
        ("demo --data /proc/nowhere", "cannot use /proc/nowhere"),
        ("up --port 65536", "`main up --help` shows how"),
        ("up --data key", "is a file"),
        ("train", "`quietline up` makes it"),
        ("train --data missing", "does not exist"),
        ("train --data directory", "holds no .jsonl file"),
        ("train --data unread", "unread/one.jsonl, line 2: it is no JSON"),
        ("train --no-starter --data unlearned", "nothing can be learned from unlearned"),
        ("release promote newest", "`quietline release list` shows those there are"),
        ("release withdraw newest --reason bad", "`quietline release list` shows those there are"),
        ("release withdraw 20260101-000000-0123abcd", "--reason"),
        ("keys init", "--out"),
        ("keys init --out key", "is a file"),
        ("keys init --out /proc/nowhere", "/proc/nowhere: No such file"),
        ("keys rotate", "`quietline keys init` makes its first keys"),
        ("keys add desk --scope everything", "is not one of"),
        ("--address nonsense doctor", "an address looks like http://127.0.0.1:8700"),
        ("doctor --data key", "is a file"),
        ("backup", "Missing argument"),
        ("backup saved", "was a suite ever started here?"),
        ("backup key", "is a file"),
        ("restore missing", "does not exist"),
        ("restore directory", "holds no manifest.json"),
    ],
)
def test_what_was_typed_wrong_is_said_in_one_line(line: str, words: str) -> None:
    result = type_in(line)
    assert result.exit_code == 2
    (said,) = result.stderr.splitlines()
    assert said.startswith("quietline: ")
    assert words in said
    assert result.stdout == ""


@pytest.mark.parametrize("group", ["", "phone", "release", "keys"])
def test_a_group_without_a_command_shows_its_commands(group: str) -> None:
    shown = type_in(group).output
    assert shown.startswith("Usage: ")
    assert "Commands:" in shown
    assert len(shown.splitlines()) > 8


@pytest.mark.system
def test_help_is_shown_where_the_terminal_has_no_chinese() -> None:
    done = run_command("--help", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Walk the whole road" in done.stdout


def test_keys_that_could_not_be_made_leave_no_key_that_was_never_shown(folder: Path) -> None:
    assert type_in("keys init --out /proc/nowhere").exit_code == 2
    assert not (folder / "var" / "keys.json").exists()
    assert "shown this once: ql_" in type_in("keys init --out away").stdout
