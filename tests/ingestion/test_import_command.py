"""`quietline import` and `quietline demo --reports`: a file that is none is refused first, and the rest is told."""

import pytest
from click.testing import CliRunner

from services.cli import main
from tests.in_process import InProcessSuite

pytestmark = pytest.mark.usefixtures("quiet_suite")


@pytest.fixture
def run(ingestion, monkeypatch):
    """Runs the command against the service."""
    monkeypatch.setattr("services.cli.Target", lambda *_: InProcessSuite("moderator", ingestion=ingestion.app))
    return lambda file: CliRunner().invoke(main, ["import", str(file)])


BAD_FILES = {
    "binary.jsonl": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "binary.csv": b"PK\x03\x04\x14\0\0",
    "encoding.jsonl": b"\xff\xff\xff\x80\n" * 9,
    "encoding.csv": b"\xff\xff\xff\x80\n" * 9,
    "columns.csv": b"a,b\n1,2\n",
    "corpus.xml": b"<smsCorpus><message>",
    "letter.doc": b"x",
    "nothing.jsonl": b"\n\n",
    "nothing.csv": b"text,category\n",
}


@pytest.mark.parametrize("command", [["import"], ["demo", "--reports"]], ids=lambda command: command[0])
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_none_is_refused_before_anything_else(tmp_path, monkeypatch, command, name):
    """Before the key is looked for, before a suite is started: nothing of the folder is touched."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(BAD_FILES[name])
    answer = CliRunner().invoke(main, [*command, name])
    assert answer.exit_code == 2
    assert name in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stdout == ""
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_a_file_that_may_not_be_read_is_refused_in_words(tmp_path, monkeypatch, run):
    file = tmp_path / "desk.jsonl"
    file.write_bytes(b'{"text": "one"}\n')

    def refuses(*_arguments: object, **_others: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuses)
    answer = run(file)
    assert (answer.exit_code, answer.stderr) == (2, "quietline: cannot read desk.jsonl: Permission denied\n")


def test_what_became_of_a_file_is_told(tmp_path, run):
    file = tmp_path / "desk.csv"
    file.write_text("text,categroy,sender\n第一条,fraud,95588\n第二条,porn,\n第三条,porn,\u202e\n", "utf8")
    answer = run(file)
    assert answer.exit_code == 1
    assert "line 4: The sender holds control characters." in answer.stderr
    assert answer.stdout.splitlines() == [
        "3 lines: 2 accepted, 0 known already, 1 refused",
        "columns that are not known were left out: categroy",
        "2 lines came without a category; nothing is learned from them until labelled",
    ]


def test_a_file_in_order_needs_no_remarks(tmp_path, run):
    file = tmp_path / "desk.jsonl"
    file.write_text('{"text": "第一条", "category": "fraud"}\n', "utf8")
    answer = run(file)
    assert (answer.exit_code, answer.stdout) == (0, "1 lines: 1 accepted, 0 known already, 0 refused\n")


def test_an_import_that_breaks_off_says_what_to_do(tmp_path, run):
    file = tmp_path / "desk.csv"
    file.write_text('text,id\nx,1\n"open,2\n', "utf8")
    answer = run(file)
    assert answer.exit_code == 2
    assert "desk.csv, line 3: A quote is opened and never closed." in answer.stderr
