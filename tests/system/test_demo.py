"""What the demo shows at its end can be read by somebody who has never seen it."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console, RenderableType

from mobile_model.advice import Language, advice_for
from mobile_model.conformance import CARD_FILE, MODEL_FILE, read
from mobile_model.scorer import Scorer
from services.cli import main
from services.client import SuiteClient
from services.demo import CAUTIOUS, MESSAGES, DemoError, places, put_into_service, train, verdicts
from services.embedded import DataDirectory
from services.ingestion.starter_corpus import read_starter_corpus
from shared.categories import HARASSMENT, Action
from shared.release_card import ReleaseCard
from tests.system.scenario import typical_corpus


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(read(MODEL_FILE), ReleaseCard.from_json(read(CARD_FILE)))


def shown(renderable: RenderableType, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def rows(lines: list[str]) -> list[list[str]]:
    """Gives the cells of each row of the table, their lines joined."""
    found: list[list[str]] = []
    for line in lines:
        if line.startswith(("┡", "├")):
            found.append([""] * 4)
        elif line.startswith("│") and found:
            found[-1] = [f"{cell}{more.strip()}" for cell, more in zip(found[-1], line.split("│")[1:-1], strict=True)]
    return found


@pytest.mark.parametrize("width", [80, 100])
def test_every_row_says_why(scorer: Scorer, width: int) -> None:
    lines = shown(verdicts(scorer), width)
    assert max(cell_len(line) for line in lines) <= width
    found = rows(lines)
    assert len(found) == len(MESSAGES)
    for message, (text, _category, action, why) in zip(MESSAGES, found, strict=True):
        verdict = scorer.score(message)
        assert text.replace(" ", "") == message.replace(" ", "")
        assert action
        assert why
        if verdict.category in HARASSMENT:
            assert re.search(r"\d%.*\d%", why), why
        assert why.isascii() == message.isascii()


def test_advice_is_given_once_for_each_danger(scorer: Scorer) -> None:
    stopped = {scorer.score(message).category for message in MESSAGES if scorer.score(message).action is Action.BLOCK}
    assert stopped
    text = "\n".join(shown(verdicts(scorer)))
    assert text.count("绝不裸聊") == 1


def test_advice_is_whole_on_a_narrow_screen(scorer: Scorer) -> None:
    lines = shown(verdicts(scorer), 80)
    assert "…" not in "".join(lines)
    start = lines.index("what the phone advises 手机上的提醒")
    told = "".join("".join(line.split()) for line in lines[start:])
    for message in MESSAGES:
        verdict = scorer.score(message)
        language = Language.ENGLISH if message.isascii() else Language.CHINESE
        if verdict.action in CAUTIOUS:
            for advice in advice_for(verdict.category, language)[:2]:
                assert "".join(advice.split()) in told


class SuiteWhoseGateRefuses:
    """Answers as a suite does whose gate refused the run's candidate."""

    def __init__(self, in_service: str | None) -> None:
        self.in_service = in_service
        self.posted: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        if path == "/registry/v1/channels/stable":
            return {"release": self.in_service}
        return {"id": "r1", "state": "refused", "release": None, "problem": {"detail": "porn: 9 of 60 go wrong"}}

    def post(self, path: str, _content: Any = None, *, repeatable: bool = False) -> dict[str, Any]:  # noqa: ARG002
        self.posted.append(path)
        return {"id": "r1"}

    def follow_run(self, _run_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        return iter(())


def after_a_refusal(in_service: str | None, folder: Path) -> tuple[list[str], str]:
    """Gives what the demo asked of the suite, and what it said."""
    suite = SuiteWhoseGateRefuses(in_service)
    client = cast("SuiteClient", suite)
    console = Console(file=io.StringIO(), width=80, color_system=None)
    run = train(client, "s1", console)
    put_into_service(client, DataDirectory(folder), run, console)
    assert isinstance(console.file, io.StringIO)
    return suite.posted, " ".join(console.file.getvalue().split())


def test_a_refusal_leaves_the_release_in_service_and_says_why(tmp_path: Path) -> None:
    asked, said = after_a_refusal("20250601-093000-aaaaaaaa", tmp_path)
    assert asked == ["/training/v1/runs"]
    assert "so 20250601-093000-aaaaaaaa stays in service: porn: 9 of 60 go wrong" in said
    assert f"{tmp_path}/training/runs/r1/report.html" in said


def test_a_refusal_of_the_first_release_ends_the_demo(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"no release is in service: porn: 9 of 60 go wrong; .*r1/report\.html"):
        after_a_refusal(None, tmp_path)


@pytest.mark.system
@pytest.mark.enable_socket
def test_a_second_time_with_own_reports_it_ends_well_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starter = typical_corpus(read_starter_corpus())
    monkeypatch.setattr("services.demo.read_starter_corpus", lambda: iter(starter))
    own = tmp_path / "own.csv"
    own.write_text(
        "text,category\n妈，晚上回家吃饭吗,personal\n领奖请先交手续费 加V kp90021,fraud\n今晚约吗 加薇 lan7702,porn\n"
    )
    for more in ([], ["--reports", str(own)]):
        done = CliRunner().invoke(main, ["demo", "--data", str(tmp_path / "var"), *more], env={"COLUMNS": "100"})
        assert done.exit_code == 0, done.output
        table, _, after = done.stdout.partition("what the phone advises")
        assert len(rows(table.splitlines())) == len(MESSAGES)
        assert "where things lie" in after
    assert "own: 3 accepted" in done.stdout


def test_what_to_do_next_can_be_typed_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [".venv/bin/quietline", "demo"])
    usual = "\n".join(shown(places(DataDirectory(tmp_path / "var"), "a" * 32)))
    assert ".venv/bin/quietline up " in usual
    assert f"var/training/runs/{'a' * 32}/report.html" in usual
    elsewhere = "\n".join(shown(places(DataDirectory(tmp_path / "other"), "a" * 32)))
    assert ".venv/bin/quietline up --data other " in elsewhere
    assert ".venv/bin/quietline phone score --state other/phone " in elsewhere
