"""`quietline phone` as a process of its own: its speed, its encoding, and what becomes of its streams."""

import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mobile_model import conformance
from mobile_model.conformance.texts import all_texts

pytestmark = pytest.mark.system

FOLDER = Path(conformance.__file__).parent
RELEASE = ("--model", str(FOLDER / conformance.MODEL_FILE), "--card", str(FOLDER / conformance.CARD_FILE))
TEXT = "老婆怀孕不方便？同城小妹可上门，加薇看照片"
LINE = json.dumps({"text": TEXT}).encode() + b"\n"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "services", "phone", *arguments]


def run(*arguments: str, lines: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return subprocess.run(
        command(*arguments), input=lines, capture_output=True, env=plain | environment, timeout=60, check=False
    )


def test_9000_lines_are_scored_at_3000_a_second_with_the_start() -> None:
    """Counts the process's own time, on one thread, so that a busy machine does not make it a test of the machine."""
    texts = [text for text in all_texts() if len(text) < 300]
    lines = b"".join(
        json.dumps({"text": f"{texts[number % len(texts)]}{number}"}).encode() + b"\n" for number in range(9000)
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = run("score", "--jsonl", *RELEASE, lines=lines)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0
    assert result.stdout.count(b"\n") == 9000
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 9000 / 3000


def test_the_locale_changes_neither_what_is_read_nor_what_is_written() -> None:
    odd = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in ("\x00", "\ud800", "😀", TEXT))
    raw = '{"text": "加微信😀"}\n'.encode()
    answers = set()
    for locale in (
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ):
        shown = run("score", *RELEASE, "--language", "zh", TEXT, **locale)
        scored = run("score", "--jsonl", *RELEASE, lines=odd + raw, **locale)
        assert (shown.returncode, shown.stderr, scored.returncode, scored.stderr) == (0, b"", 0, b"")
        answers.add(shown.stdout + scored.stdout)
    (answer,) = answers
    assert TEXT in answer.decode()
    assert answer.count(b'"release"') == 5


@pytest.mark.parametrize(("locale", "words"), [({"LANG": "zh_CN.UTF-8"}, "色情骚扰"), ({"LC_ALL": "C"}, "sexual")])
def test_the_words_are_in_the_language_of_the_locale(locale: dict[str, str], words: str) -> None:
    assert words in run("score", *RELEASE, TEXT, **locale).stdout.decode()


def test_an_answer_comes_before_more_lines_are_read() -> None:
    with subprocess.Popen(
        command("score", "--jsonl", *RELEASE), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        patience = threading.Timer(20, process.kill)
        patience.start()
        try:
            for _ in range(2):
                process.stdin.write(LINE)
                process.stdin.flush()
                answer = process.stdout.readline()
                assert answer, "no answer until more lines came"
                assert json.loads(answer)["category"] == "porn"
            process.stdin.close()
            assert process.wait() == 0
        finally:
            patience.cancel()


@pytest.mark.parametrize("arguments", [("--jsonl",), (TEXT,)], ids=["lines", "a text"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_line(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            command("score", *RELEASE, *arguments), input=LINE, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert result.returncode == 2
    assert result.stderr == b"quietline: cannot write the answer: No space left on device\n"


def test_a_reader_that_goes_away_ends_it_in_silence() -> None:
    with subprocess.Popen(
        command("score", "--jsonl", *RELEASE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(LINE * 100, timeout=20)
    assert process.returncode == 1
    assert errors == b""


def test_closed_streams_are_one_line() -> None:
    result = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command("score", "--jsonl", *RELEASE)],
        capture_output=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
