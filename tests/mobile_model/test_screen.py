import io
import unicodedata

import pytest
from hypothesis import given
from rich.console import Console, RenderableType

from mobile_model import screen
from mobile_model.advice import Language
from mobile_model.policy import Reason
from mobile_model.scorer import Explanation, Scorer, Verdict
from mobile_model.screen import highlighted, marked_passages, printable
from shared.categories import HARASSMENT, Action, Category, Strictness
from shared.release_card import ReleaseCard, Threshold
from tests.mobile_model.texts import BENIGN, SOLICITATION, any_text

CODE = "您的验证码是118203，5分钟内有效，请勿告诉任何人。"


def shown(renderable: RenderableType) -> str:
    """Gives the words of a panel without its lines and frames."""
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return "".join(character for character in console.file.getvalue() if not "\u2500" <= character <= "\u257f")


def explained(contributions: list[float], category: Category = Category.PORN) -> Explanation:
    verdict = Verdict(category, dict.fromkeys(Category, 1 / 7), Action.WARN, Reason.WARN, "20260101-000000-0123abcd")
    return Explanation(verdict, tuple(contributions), (0, len(contributions)))


@given(any_text)
def test_what_is_printed_has_the_same_length_and_no_command(text: str) -> None:
    plain = printable(text)
    assert len(plain) == len(text)
    assert all(character in "\n " or unicodedata.category(character)[0] not in "CZ" for character in plain)
    assert printable(plain) == plain
    plain.encode()


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "\u202e", "\r", "\x08", "\u2028", "\ud800"])
def test_a_terminal_gets_no_command_from_a_message(text: str) -> None:
    assert printable(text)[0] == "\N{REPLACEMENT CHARACTER}"


def test_what_a_person_writes_is_shown_as_it_is() -> None:
    text = "加微信：lan 7702\n😀 café مرحبا"
    assert printable(text) == text


def test_the_characters_that_spoke_most_are_marked() -> None:
    text = "您好，加微信看照片，谢谢"
    explanation = explained([0, 0, 0, 2, 2, 2, 1, 0, 0, -1, -1, -1])
    marks = {position for span in highlighted(text, explanation).spans for position in range(span.start, span.end)}
    assert {3, 4, 5} <= marks <= {2, 3, 4, 5, 6}
    assert "加微信" in "".join(marked_passages(text, explanation))


def test_nothing_is_marked_without_harassment_or_without_a_cause(scorer: Scorer) -> None:
    for category in (Category.PERSONAL, Category.TRANSACTIONAL, Category.PROMOTION):
        assert not highlighted("加微信", explained([1, 1, 1], category)).spans
        assert not marked_passages("加微信", explained([1, 1, 1], category))
    assert not highlighted("加微信", explained([0, -1, 0])).spans
    assert not highlighted("", explained([])).spans
    assert not highlighted(CODE, scorer.explain(CODE)).spans


def test_only_the_solicitation_is_marked_in_a_long_message(scorer: Scorer) -> None:
    text = BENIGN * 3 + SOLICITATION * 2
    spans = highlighted(text, scorer.explain(text)).spans
    assert spans
    assert min(span.start for span in spans) >= len(BENIGN * 3) - 2


@given(text=any_text)
def test_every_message_can_be_shown(scorer: Scorer, text: str) -> None:
    explanation = scorer.explain(text)
    for language in Language:
        assert explanation.verdict.release in shown(screen.verdict_panel(text, explanation, language))
        assert "%" in shown(screen.explanation_panel(text, explanation, language))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (Language.CHINESE, ["不回复", "12321", "因为", "拦截"]),
        (Language.ENGLISH, ["Do not reply", "12321", "because of", "blocked"]),
    ],
)
def test_danger_is_shown_with_advice_and_only_danger(scorer: Scorer, language: Language, words: list[str]) -> None:
    danger = shown(screen.verdict_panel(SOLICITATION, scorer.explain(SOLICITATION), language))
    harmless = shown(screen.verdict_panel(CODE, scorer.explain(CODE), language))
    for word in words:
        assert word in danger
        assert word not in harmless


def test_a_message_is_never_taken_for_markup(scorer: Scorer) -> None:
    text = "[bold]加微信[/bold] [link=http://a.example]看[/link]"
    assert text in shown(screen.verdict_panel(text, scorer.explain(text), Language.ENGLISH)).replace("\n", "")
    assert text in shown(screen.no_release_panel(text, Language.ENGLISH)).replace("\n", "")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_said_in_every_language(language: Language, reason: Reason) -> None:
    verdict = Verdict(Category.PORN, dict.fromkeys(Category, 0.1), Action.ALLOW, reason, "20260101-000000-0123abcd")
    assert shown(screen.verdict_panel("a", Explanation(verdict, (0.0,), (0, 1)), language))


@pytest.mark.parametrize(
    ("reason", "probability", "chinese", "english"),
    [
        (Reason.BELOW_WARN, 0.41, "骚扰共 41%，不到提醒线 62%", "harassment 41% in all, a warning needs 62%"),
        (
            Reason.BELOW_WARN,
            0.6199,
            "骚扰共 61.99%，不到提醒线 62.00%",
            "harassment 61.99% in all, a warning needs 62.00%",
        ),
        (Reason.WARN, 0.75, "骚扰共 75%，达到提醒线 62%", "harassment 75% in all, a warning needs 62%"),
        (Reason.BLOCK, 0.88, "骚扰共 88%，达到拦截线 88%", "harassment 88% in all, blocking needs 88%"),
    ],
)
def test_the_two_numbers_that_decided_are_compared(
    reason: Reason, probability: float, chinese: str, english: str
) -> None:
    probabilities = dict.fromkeys(Category, 0.0) | {Category.FRAUD: probability}
    threshold = Threshold(warn=0.62, block=0.88)
    verdict = Verdict(Category.FRAUD, probabilities, Action.ALLOW, reason, "20260101-000000-0123abcd", threshold)
    for language, words in ((Language.CHINESE, chinese), (Language.ENGLISH, english)):
        assert screen.why(verdict, language) == words
        panel = shown(screen.verdict_panel("a", Explanation(verdict, (0.0,), (0, 1)), language))
        assert words in " ".join(panel.split())


def test_the_comparison_is_the_one_that_the_policy_made(scorer: Scorer, card: ReleaseCard) -> None:
    texts = [SOLICITATION[:length] for length in range(len(SOLICITATION))]
    verdicts = [scorer.score(text) for text in texts]
    assert {verdict.reason for verdict in verdicts} >= {Reason.BELOW_WARN, Reason.WARN, Reason.BLOCK}
    for verdict in verdicts:
        if verdict.category not in HARASSMENT:
            assert screen.comparison(verdict, Language.ENGLISH) == ""
            continue
        assert verdict.threshold == card.thresholds[Strictness.NORMAL][verdict.category]
        assert (verdict.harassment >= verdict.threshold.warn) == (verdict.reason is not Reason.BELOW_WARN)
        assert (verdict.harassment >= verdict.threshold.block) == (verdict.reason is Reason.BLOCK)


def test_passages_of_one_character_are_named_only_where_there_are_no_others() -> None:
    assert screen.because_of("加微信看片", explained([0, 0, 4, 0, 0]), Language.ENGLISH) == "because of: 微信看"
    text = "a薇bcdefgh加微信"
    explanation = explained([0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2])
    assert screen.because_of(text, explanation, Language.ENGLISH).split(": ")[1] in {"加微信", "h加微信"}
    assert screen.because_of("薇", explained([1]), Language.CHINESE) == "因为：薇"


def test_an_explanation_says_where_it_looked(scorer: Scorer) -> None:
    text = BENIGN * 3 + SOLICITATION * 2
    start, end = scorer.explain(text).window
    assert f"{start + 1}-{end}" in shown(screen.explanation_panel(text, scorer.explain(text), Language.ENGLISH))
