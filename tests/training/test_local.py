"""`quietline train --data DIR` makes a release of a folder, or says in one line why not."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from mobile_model.scorer import Scorer
from services.cli import main
from services.training.figures import Evaluation
from services.training.local import LocalTrainingError, train_folder
from shared.categories import Category
from shared.release_card import ReleaseCard
from tests.training.conftest import MOMENT
from tests.training.snapshots import make_rows
from tests.training.workers import QUICK


@pytest.fixture(autouse=True)
def blank_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the plots out but once, which test_evaluation.py looks at: they take longer than all the rest."""
    if "phone_can_use" not in request.node.name:
        monkeypatch.setattr("services.training.local.render_report", lambda *_: b"<!doctype html>")


QUIET = Console(file=io.StringIO())


def write(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def lines(**renamed: str) -> list[dict[str, str]]:
    return [
        {"text": row["text"], "label": renamed.get(row["category"], row["category"]), "campaign": row["report_id"]}
        for row in make_rows(each=20)
    ]


def train(data: Path, out: Path, **options: Any) -> Evaluation:
    return train_folder(data, out, QUIET, recipe=QUICK, now=lambda: MOMENT, **options)


def test_a_folder_becomes_a_release_that_a_phone_can_use(tmp_path: Path) -> None:
    write(tmp_path / "data" / "deep" / "one.jsonl", lines())
    evaluation = train(tmp_path / "data", tmp_path / "out" / "deep")
    out = tmp_path / "out" / "deep"
    assert {path.name for path in out.iterdir()} == {"model.onnx", "card.json", "evaluation.json", "report.html"}
    card = ReleaseCard.from_json((out / "card.json").read_bytes())
    assert Scorer((out / "model.onnx").read_bytes(), card).score("你好").release == card.version
    assert Evaluation.model_validate_json((out / "evaluation.json").read_bytes()) == evaluation
    assert evaluation.trained_on + evaluation.held_out == 140
    assert 0 < evaluation.held_out < 70


def test_the_same_folder_makes_the_same_model(tmp_path: Path) -> None:
    write(tmp_path / "data" / "one.jsonl", lines())
    for name in ("first", "second"):
        train(tmp_path / "data", tmp_path / name)
    assert (tmp_path / "first" / "model.onnx").read_bytes() == (tmp_path / "second" / "model.onnx").read_bytes()


def test_further_lines_are_trained_on_as_well(tmp_path: Path) -> None:
    rows = lines()
    write(tmp_path / "data" / "one.jsonl", rows[:70])
    base = [json.dumps(row).encode() for row in rows[70:]]
    evaluation = train(tmp_path / "data", tmp_path / "out", base=base)
    assert evaluation.trained_on + evaluation.held_out == 140


def test_a_legitimate_message_becomes_the_likelier_of_the_two(tmp_path: Path) -> None:
    rows = lines()
    partial = [
        row | {"label": "legitimate"} if row["label"] == "personal" and n % 2 else row for n, row in enumerate(rows)
    ]
    write(tmp_path / "data" / "one.jsonl", partial)
    evaluation = train(tmp_path / "data", tmp_path / "out")
    whole = train_on(tmp_path, rows)
    assert evaluation.categories[Category.PERSONAL].messages == whole.categories[Category.PERSONAL].messages


def train_on(tmp_path: Path, rows: list[dict[str, str]]) -> Evaluation:
    write(tmp_path / "other" / "one.jsonl", rows)
    return train(tmp_path / "other", tmp_path / "other out")


def test_where_only_one_legitimate_category_is_known_it_is_that(tmp_path: Path) -> None:
    rows = [row for row in lines(personal="legitimate") if row["label"] != "personal"]
    write(tmp_path / "data" / "one.jsonl", rows)
    evaluation = train(tmp_path / "data", tmp_path / "out")
    assert evaluation.categories[Category.PERSONAL].messages == 0
    assert evaluation.categories[Category.TRANSACTIONAL].messages > 0


def test_spam_of_a_research_corpus_is_marketing(tmp_path: Path) -> None:
    write(tmp_path / "data" / "one.jsonl", lines(promotion="spam"))
    evaluation = train(tmp_path / "data", tmp_path / "out")
    assert evaluation.categories[Category.PROMOTION].messages > 0


def test_near_copies_without_a_campaign_stay_together(tmp_path: Path) -> None:
    rows = [{key: row[key] for key in ("text", "label")} for row in lines()]
    copies = [
        {"text": f"您的验证码是 {number:06}，{'。' * (number % 3)}请勿泄露", "label": "transactional"}
        for number in range(50)
    ]
    write(tmp_path / "data" / "one.jsonl", rows + copies)
    evaluation = train(tmp_path / "data", tmp_path / "out")
    plain = train_on(tmp_path, rows)
    assert evaluation.held_out - plain.held_out in {0, 50}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"7", "no JSON object"),
        (b'{"text": "a"}', "it has no `category`.* give it one of personal, .* or leave the line out"),
        (b'{"text": "a", "category": null}', "it has no `category`"),
        (b'{"text": "a", "label": ""}', "it has no `category`"),
        (b'{"text": "a", "label": "ham"}', "its `category` is unknown; it must be one of"),
        (b'{"text": "a", "label": ["porn"]}', "its `category` is unknown; it must be one of"),
        (b'{"text": 7, "label": "porn"}', "`text` must be a text"),
        (b'{"text": " ", "label": "porn"}', "`text` must be a text"),
        (b"\xff\xfe", "it is not UTF-8; save the file as UTF-8"),
        ('{"text": "加微信", "label": "porn"}'.encode("gb18030"), "it is not UTF-8"),
        (b"\x7fELF\x00\x01", "no JSON"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_by_file_and_number(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "one.jsonl").write_bytes(b'{"text": "hello", "label": "personal"}\n' + content + b"\n")
    with pytest.raises(LocalTrainingError, match=f"^{re.escape(str(tmp_path))}/one.jsonl, line 2: .*{words}"):
        train(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rows", [[], [{"text": "hello", "label": "personal"}] * 30])
def test_nothing_to_learn_from_is_said_of_the_folder(tmp_path: Path, rows: list[Any]) -> None:
    write(tmp_path / "data" / "one.jsonl", rows)
    with pytest.raises(LocalTrainingError, match="nothing can be learned from"):
        train(tmp_path / "data", tmp_path / "out")


def test_a_folder_without_jsonl_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalTrainingError, match=r"holds no \.jsonl file"):
        train(tmp_path, tmp_path / "out")


def test_any_unicode_can_be_trained_on(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in lines()) + '{"text": "\\ud800 \\u0000 加微", "label": "porn"}\n'
    )
    assert train(tmp_path, tmp_path / "out").held_out


@pytest.mark.parametrize(("more", "is_learned"), [((), True), (("--no-starter",), False)])
def test_the_starter_corpus_is_learned_too_unless_it_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], *, is_learned: bool
) -> None:
    learned: list[bytes] = []
    monkeypatch.setattr("services.training_command.read_starter_corpus", lambda: iter([b"a line"]))
    monkeypatch.setattr("services.training_command.train_folder", lambda *_, base: learned.extend(base))
    assert CliRunner().invoke(main, ["train", "--data", str(tmp_path), *more]).exit_code == 0
    assert learned == ([b"a line"] if is_learned else [])
