"""A scorer is judged by counts that anyone can do again by hand, and the mistakes are told by kind."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from services.training.folders import FolderError
from services.training.judging.counting import Answer
from services.training.judging.figures import Judgement, Mistake, Subject
from services.training.judging.judge import decide_all, judge
from services.training.judging.messages import LABELS, LabelledMessage, read_messages
from services.training.judging.report import render_judgement
from services.training.judging.terminal import judgement_screen, mistaken_messages
from shared.categories import Action, Category, Strictness
from tests.training.test_fitting import unheard

SUBJECT = Subject(release="20260101-000000-00000000", model_sha256="sha256:00", strictness=Strictness.NORMAL)

# What each message truly is, where it comes from, and what the scorer says.
CASES = (
    ("shop", "porn", Category.PORN, Action.BLOCK, 0.99),
    ("shop", "porn", Category.PERSONAL, Action.ALLOW, 0.01),
    ("shop", "porn_soft", Category.PORN, Action.WARN, 0.9),
    ("shop", "fraud", Category.FRAUD, Action.ALLOW, 0.6),
    ("shop", "gambling", Category.PROMOTION, Action.PROMOTION, 0.3),
    ("shop", "legitimate", Category.TRANSACTIONAL, Action.ALLOW, 0.0),
    ("shop", "legitimate", Category.PROMOTION, Action.PROMOTION, 0.1),
    ("shop", "legitimate", Category.FRAUD, Action.WARN, 0.8),
    ("shop", "promotion", Category.PROMOTION, Action.PROMOTION, 0.1),
    ("shop", "promotion", Category.ILLEGAL, Action.ALLOW, 0.5),
    ("shop", "spam", Category.FRAUD, Action.BLOCK, 1.0),
    ("shop", "spam", Category.PERSONAL, Action.ALLOW, 0.2),
    ("home", "porn_coded", Category.ILLEGAL, Action.BLOCK, 0.95),
    ("home", "personal", Category.PERSONAL, Action.ALLOW, 0.0),
    ("home", "personal", Category.FRAUD, Action.ALLOW, 0.55),
    ("home", "transactional", Category.TRANSACTIONAL, Action.ALLOW, 0.02),
)  # fmt: skip
MESSAGES = [LabelledMessage(f"message {number}", label, source) for number, (source, label, *_) in enumerate(CASES)]


def decide(text: str) -> Answer:
    """The scorer: the number in the text names the case."""
    return Answer(*CASES[int(text.split()[1])][2:])


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    return judge(SUBJECT, MESSAGES, decide_all(MESSAGES, decide, unheard))


def test_the_sums_are_those_worked_out_by_hand(judgement: Judgement) -> None:
    sums = {
        summary.source: tuple(
            (rate.hits, rate.of)
            for rate in (
                summary.recall,
                summary.false_positives,
                summary.as_promotion,
                summary.marketing_seen,
                summary.marketing_caught,
            )
        )
        for summary in judgement.summaries
    }
    assert sums == {
        "home": ((1, 1), (0, 3), (0, 3), (0, 0), (0, 0)),
        "shop": ((2, 5), (1, 3), (1, 3), (3, 4), (1, 4)),
        None: ((3, 6), (1, 6), (1, 6), (3, 4), (1, 4)),
    }


def test_each_label_of_each_source_is_counted(judgement: Judgement) -> None:
    groups = {
        (group.source, group.label): (
            group.messages,
            group.caught.hits,
            group.marketing_seen.hits,
            group.as_promotion.hits,
        )
        for group in judgement.groups
    }
    in_shop = {
        "porn": (2, 1, 1, 0),
        "porn_soft": (1, 1, 1, 0),
        "fraud": (1, 0, 1, 0),
        "gambling": (1, 0, 1, 1),
        "legitimate": (3, 1, 2, 1),
        "promotion": (2, 0, 2, 1),
        "spam": (2, 1, 1, 0),
    }
    at_home = {"porn_coded": (1, 1, 1, 0), "personal": (2, 0, 1, 0), "transactional": (1, 0, 0, 0)}
    assert groups == {
        **{("shop", label): counts for label, counts in in_shop.items()},
        **{("home", label): counts for label, counts in at_home.items()},
        **{(None, label): counts for label, counts in (in_shop | at_home).items()},
    }


def test_every_rate_has_its_exact_interval(judgement: Judgement) -> None:
    """Of n of n the lower bound is the n-th root of 2.5 %; half of them is as likely as not."""
    home, shop, total = judgement.summaries
    assert (home.recall.low, home.recall.high) == (pytest.approx(0.025), 1.0)
    assert (home.false_positives.low, home.false_positives.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 3)))
    assert total.recall.low == pytest.approx(1.0 - total.recall.high)
    assert shop.recall.rate == 0.4
    assert home.marketing_seen.rate is None


def test_mistakes_are_counted_by_kind(judgement: Judgement) -> None:
    found = {
        (count.mistake, count.source, count.label, count.taken_for): (count.rate.hits, count.rate.of)
        for count in judgement.mistakes
    }
    assert found == {
        (Mistake.FALSE_ALARM, "shop", "legitimate", "fraud"): (1, 3),
        (Mistake.MISSED, "shop", "porn", "personal"): (1, 2),
        (Mistake.MISSED, "shop", "fraud", "unnamed"): (1, 1),
        (Mistake.MISSED, "shop", "gambling", "promotion"): (1, 1),
        (Mistake.AS_PROMOTION, "shop", "legitimate", "promotion"): (1, 3),
        (Mistake.MARKETING_CAUGHT, "shop", "spam", "fraud"): (1, 2),
        (Mistake.MARKETING_UNSEEN, "shop", "spam", "personal"): (1, 2),
    }
    assert [count.mistake for count in judgement.mistakes] == sorted(
        (count.mistake for count in judgement.mistakes), key=list(Mistake).index
    )


def test_scores_stand_once_in_the_range_that_they_are_in(judgement: Judgement) -> None:
    scores = judgement.scores
    assert (sum(scores.harassment), sum(scores.legitimate), sum(scores.marketing)) == (6, 6, 4)
    assert scores.harassment[19] == 2, "0.99 and 0.95"
    assert scores.marketing[19] == 1, "1.0 is in the last range"
    assert scores.legitimate[0] == 3


def test_what_is_not_in_the_data_is_said_and_not_divided_by() -> None:
    marketing = [message for message in MESSAGES if message.label == "spam"]
    made = judge(SUBJECT, marketing, decide_all(marketing, decide, unheard))
    assert made.total.recall.rate is made.total.false_positives.rate is None
    assert "no harassment in these data" in shown(judgement_screen(made))
    assert "no legitimate messages in these data" in shown(judgement_screen(made))
    assert b"There is no harassment in these data" in render_judgement(made, unheard)


def shown(renderable: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


def test_the_table_shows_counts_and_intervals(judgement: Judgement) -> None:
    table = shown(judgement_screen(judgement))
    assert "20260101-000000-00000000 at normal, on 16 messages" in table
    assert "│ shop │ porn │ 1 of 2 │ 50.00 (1.26–98.74) │" in table
    assert "│ missed │ shop │ fraud │ not sure enough │ 1 of 1 │" in table
    assert "│ all │ 3 of 6 │ 1 of 6 │ 1 of 6 │ 3 of 4 │" in table


def test_mistaken_messages_are_listed_the_most_mistaken_first() -> None:
    messages = [
        *(LabelledMessage(f"missed\n{number}", "porn", "x") for number in range(5)),
        LabelledMessage("\x1b[31mred 9", "personal", "x"),
    ]
    answers = [
        *(Answer(Category.PERSONAL, Action.ALLOW, number / 10) for number in range(5)),
        Answer(Category.PORN, Action.BLOCK, 0.9),
    ]
    listed = [shown(line) for line in mistaken_messages(messages, answers, 2)]
    assert listed == [
        "false alarm: x personal → porn (1)",
        "90.0% \ufffd[31mred 9",
        "missed: x porn → personal (5)",
        "0.0% missed ⏎ 0",
        "10.0% missed ⏎ 1",
    ]


def test_a_judgement_is_read_back_from_its_file(judgement: Judgement) -> None:
    assert Judgement.model_validate_json(judgement.to_json()) == judgement


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(*lines: Any, name: str = "some.jsonl") -> Path:
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        (tmp_path / name).write_bytes(b"\n".join(raw))
        return tmp_path

    return write_file


def test_every_label_is_read_with_its_source_or_the_name_of_the_file(write: Write) -> None:
    write(
        {"text": "a", "label": "porn", "source": "shop", "original_label": "x"}, b"", {"text": "b", "category": "spam"}
    )
    folder = write(*({"text": label, "label": label} for label in LABELS), name="all labels.jsonl")
    assert read_messages(folder, unheard) == [
        *(LabelledMessage(label, label, "all labels") for label in LABELS),
        LabelledMessage("a", "porn", "shop"),
        LabelledMessage("b", "spam", "some"),
    ]


def test_slots_of_masked_texts_are_filled_and_other_texts_left_as_they_are(write: Write) -> None:
    folder = write({"text": "验证码 ⟦code:6⟧", "label": "personal"}, {"text": "\ud800 \u2028 ", "label": "personal"})
    filled, odd = read_messages(folder, unheard)
    assert filled.text.removeprefix("验证码 ").isdigit()
    assert odd.text == "\ud800 \u2028 "


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"\x7fELF", "it is no JSON"),
        ([], "it is no JSON object"),
        ({"label": "porn"}, "it has no `text`"),
        ({"text": 7, "label": "porn"}, "it has no `text`"),
        ({"text": "a"}, "it has no `label`; give it one of personal, "),
        ({"text": "a", "label": ""}, "it has no `label`"),
        ({"text": "a", "label": "ham"}, "its `label` is unknown; give it one of personal, "),
        ({"text": "a", "label": ["porn"]}, "its `label` is unknown"),
        ({"text": "a", "label": "porn", "source": 7}, "its `source` must be a name"),
        ({"text": "a", "label": "porn", "source": "x" * 65}, "its `source` must be a name"),
        ({"text": "a", "label": "porn", "source": "\ud800"}, "its `source` must be a name"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_by_file_and_number(write: Write, line: Any, words: str) -> None:
    folder = write({"text": "a", "label": "porn"}, line)
    with pytest.raises(FolderError) as refused:
        read_messages(folder, unheard)
    assert str(refused.value).startswith(f"{folder / 'some.jsonl'}, line 2: {words}")


def test_a_folder_without_messages_is_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"holds no \.jsonl file$"):
        read_messages(tmp_path, unheard)
    (tmp_path / "deep").mkdir()
    write(name="deep/some.jsonl")
    with pytest.raises(FolderError, match=r"holds no \.jsonl file; .*deep holds some$"):
        read_messages(tmp_path, unheard)
    with pytest.raises(FolderError, match="holds no messages"):
        read_messages(tmp_path / "deep", unheard)
