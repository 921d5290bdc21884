"""What a disguise changes is counted on the same messages with and without it, and a shortfall is said plainly."""

from collections.abc import Sequence

import pytest

from services.training.augmentation import DISGUISES, TRAINED, UNSEEN, polite_phrases
from services.training.judging.counting import Answer, Decide
from services.training.judging.disguises import SAMPLED_PER_SOURCE, judge_disguises, most_harassing
from services.training.judging.figures import DisguiseJudgement
from services.training.judging.judge import decide_all, judge
from services.training.judging.messages import LabelledMessage
from services.training.judging.terminal import shortfalls
from shared.categories import Action, Category
from tests.training.test_fitting import unheard
from tests.training.test_judging import SUBJECT

CAUGHT = Answer(Category.PORN, Action.BLOCK, 0.9)
ALLOWED = Answer(Category.PERSONAL, Action.ALLOW, 0.1)

MESSAGES = [
    *(LabelledMessage(f"加微信上门{number}", "porn", "street") for number in range(10)),
    LabelledMessage("加 微 信", "porn", "street"),
    *(LabelledMessage(f"晚上一起吃饭吗，第{number}桌", "personal", "home") for number in range(8)),
    LabelledMessage("你先加微信再说", "personal", "home"),
    LabelledMessage("全场九折", "promotion", "home"),
]


def literal(text: str) -> Answer:
    """A scorer that knows one word and no disguise of it."""
    return CAUGHT if "加微信" in text else ALLOWED


def judged(messages: Sequence[LabelledMessage], decide: Decide = literal) -> dict[str, DisguiseJudgement]:
    results = judge_disguises(messages, decide_all(messages, decide, unheard), decide, unheard)
    return {result.name: result for result in results}


@pytest.fixture(scope="module")
def results() -> dict[str, DisguiseJudgement]:
    return judged(MESSAGES)


def test_every_family_of_the_project_is_judged_and_told_apart(results: dict[str, DisguiseJudgement]) -> None:
    families = {name: result.family for name, result in results.items()}
    assert families == {
        **dict.fromkeys(TRAINED, "trained"),
        **dict.fromkeys(UNSEEN, "unseen"),
        **dict.fromkeys(("behind_40", "before_40", "behind_200", "before_200"), "hidden"),
        "two_messages": "split",
    }
    assert {result.kept_wanted for name, result in results.items() if name in DISGUISES} == {0.97}
    assert {result.kept_wanted for result in results.values() if result.family == "hidden"} == {0.9}


def test_the_same_messages_are_counted_with_and_without(results: dict[str, DisguiseJudgement]) -> None:
    for result in results.values():
        assert (result.caught_undisguised.hits, result.caught_undisguised.of) == (10, 11)
        assert (result.hit_undisguised.hits, result.hit_undisguised.of) == (1, 9)
        assert (result.caught.of, result.hit.of, result.still_caught.of) == (11, 9, 10)
        assert result.kept == result.caught.hits / 10


def test_what_survives_a_disguise_is_kept(results: dict[str, DisguiseJudgement]) -> None:
    opening = results["polite_opening"]
    assert (opening.kept, opening.still_caught.hits, opening.hit.hits) == (1.0, 10, 1)
    assert not opening.keeps_too_little
    assert opening.hits_too_many, "1 of 9 is more than 1 %"
    marks = results["symbols"]
    assert marks.kept is not None
    assert marks.kept < 0.9
    assert marks.keeps_too_little
    missed = sum(count.rate.hits for count in marks.mistakes if count.mistake == "missed")
    assert missed == 11 - marks.caught.hits


def test_a_shortfall_is_said_with_the_mistakes_by_kind(results: dict[str, DisguiseJudgement]) -> None:
    made = judge(SUBJECT, MESSAGES, decide_all(MESSAGES, literal, unheard), tuple(results.values()))
    said = list(shortfalls(made))
    marks = results["symbols"]
    assert (
        f"Not reached: symbols keeps {10 * marks.caught.hits}.0 % of the clean recall, at least 97 % is wanted; "
        f"missed are {11 - marks.caught.hits} of 11 street porn → personal."
    ) in said
    assert any("11.11 % of the legitimate messages are caught under polite_opening, at most 1 %" in one for one in said)
    assert not any("polite_opening keeps" in one for one in said)


class Listener:
    """A scorer that allows everything and remembers what it was asked."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, text: str) -> Answer:
        self.heard.append(text)
        return ALLOWED


def surroundings(messages: Sequence[LabelledMessage], message: LabelledMessage) -> list[tuple[str, str]]:
    """Gives what stood before and after a message where it was hidden, in the order of the disguises."""
    listener = Listener()
    judge_disguises(messages, [ALLOWED] * len(messages), listener, unheard)
    pairs = [text.partition(message.text) for text in listener.heard if message.text in text]
    lengths = {(41, 0), (0, 41), (201, 0), (0, 201)}
    return [(before, after) for before, _, after in pairs if (len(before), len(after)) in lengths]


def test_messages_are_hidden_behind_and_before_so_many_characters_of_their_own_source() -> None:
    own = LabelledMessage("同城上门", "porn", "home")
    elsewhere = [LabelledMessage(f"会议改到{number}点", "personal", "office") for number in range(8)]
    found = surroundings([*MESSAGES, *elsewhere, own], own)
    assert [(len(before), len(after)) for before, after in found] == [(41, 0), (0, 41), (201, 0), (0, 201)]
    texts = {message.text for message in MESSAGES if message.label == "personal"}
    assert found[2][0].split(" ")[0] in texts
    assert "会议" not in "".join(before + after for before, after in found)
    assert "全场九折" not in "".join(before + after for before, after in found), "marketing is no benign text"


def test_a_source_without_benign_text_borrows_it() -> None:
    found = surroundings(MESSAGES, MESSAGES[0])
    assert {before.split(" ")[0] for before, _ in found if before} <= {m.text for m in MESSAGES if m.source == "home"}


def test_without_any_benign_text_polite_phrases_are_taken_and_that_is_said() -> None:
    alone = [message for message in MESSAGES if message.label == "porn"]
    found = surroundings(alone, alone[0])
    assert len(found) >= 4
    assert any(found[-1][1].startswith(f" {phrase}") for phrase in polite_phrases())
    answers = decide_all(alone, literal, unheard)
    made = judge(SUBJECT, alone, answers, judge_disguises(alone, answers, literal, unheard))
    assert any("Quietline's own polite phrases" in note for note in made.notes)
    with_own = judge(SUBJECT, MESSAGES, decide_all(MESSAGES, literal, unheard), made.disguises)
    assert not any("polite phrases" in note for note in with_own.notes)


def test_nothing_is_caught_for_the_sake_of_what_it_hides_behind() -> None:
    """The one benign message that is caught by itself is not drawn."""

    def deaf(text: str) -> Answer:
        return CAUGHT if "你先加微信再说" in text else ALLOWED

    results = judged(MESSAGES, deaf)
    for name in ("behind_40", "before_40", "behind_200", "before_200"):
        assert (results[name].caught.hits, results[name].hit.hits) == (0, 1)


def test_a_message_cut_in_two_is_caught_if_either_half_is() -> None:
    whole, halved = LabelledMessage("加微信十二三", "porn", "x"), LabelledMessage("看加微信", "porn", "x")
    assert judged([whole])["two_messages"].caught.hits == 1
    assert judged([halved])["two_messages"].caught.hits == 0
    assert (
        judged([LabelledMessage("", "porn", "x"), LabelledMessage("加", "porn", "x")])["two_messages"].caught.hits == 0
    )


def test_of_several_answers_the_most_harassing_counts() -> None:
    unsure = Answer(Category.PORN, Action.ALLOW, 0.95)
    assert most_harassing([ALLOWED, CAUGHT, unsure]) is CAUGHT
    assert most_harassing([ALLOWED, unsure]) is unsure


def test_the_same_messages_are_disguised_alike_each_time(results: dict[str, DisguiseJudgement]) -> None:
    assert judged(MESSAGES) == results


def test_of_a_large_source_a_sample_is_disguised_and_that_is_said() -> None:
    many = [LabelledMessage(f"你好 {number}", "legitimate", "large") for number in range(SAMPLED_PER_SOURCE + 1)]
    messages = [*many, *MESSAGES]
    answers = decide_all(messages, literal, unheard)
    results = judge_disguises(messages, answers, literal, unheard)
    assert {(result.hit.of, result.caught.of) for result in results} == {(SAMPLED_PER_SOURCE + 9, 11)}
    assert any("at most 600" in note for note in judge(SUBJECT, messages, answers, results).notes)


def test_where_nothing_is_caught_nothing_can_be_kept() -> None:
    results = judged(MESSAGES, lambda _: ALLOWED)
    assert {(result.kept, result.keeps_too_little) for result in results.values()} == {(None, False)}
    benign = judged([message for message in MESSAGES if message.is_legitimate])
    assert {result.caught.rate for result in benign.values()} == {None}
    assert {result.hit.rate for result in judged([MESSAGES[0]]).values()} == {None}
    assert judged([MESSAGES[-1]])["symbols"].hit.of == 0


def test_progress_goes_from_nothing_to_all_disguises() -> None:
    told: list[tuple[int, int]] = []
    judge_disguises(
        MESSAGES, decide_all(MESSAGES, literal, unheard), literal, lambda done, total, _: told.append((done, total))
    )
    assert told == [(20 * number, 20 * (len(DISGUISES) + 5)) for number in range(len(DISGUISES) + 5)]
