"""What the demo shows at its end can be read by somebody who has never seen it."""

import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from mobile_model.conformance import CARD_FILE, MODEL_FILE, read
from mobile_model.scorer import Scorer
from services.demo import MESSAGES, places, verdicts
from services.embedded import DataDirectory
from shared.categories import HARASSMENT, Action
from shared.release_card import ReleaseCard


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


def test_what_to_do_next_can_be_typed_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [".venv/bin/quietline", "demo"])
    usual = "\n".join(shown(places(DataDirectory(tmp_path / "var"), "a" * 32)))
    assert ".venv/bin/quietline up " in usual
    assert f"var/training/runs/{'a' * 32}/report.html" in usual
    elsewhere = "\n".join(shown(places(DataDirectory(tmp_path / "other"), "a" * 32)))
    assert ".venv/bin/quietline up --data other " in elsewhere
    assert ".venv/bin/quietline phone score --state other/phone " in elsewhere
