"""`quietline phone` in this process: what it answers, and what bad input gets."""

import gzip
import json
import time
from pathlib import Path

import click.testing
import pytest

from mobile_model.conformance import CARD_FILE, MODEL_FILE, read
from mobile_model.policy import decide
from mobile_model.scorer import Scorer
from mobile_model.updater import PhoneStore
from shared.categories import Action, Category, Strictness
from shared.release_card import ReleaseCard
from tests.mobile_model.terminal import FOLDER, RELEASE, assert_refused, install, run
from tests.mobile_model.texts import SOLICITATION, TEXTS
from tests.mobile_model.updater.repository_simulator import SOURCE, Clock, Repository

GOOD_LINE = json.dumps({"text": "您的验证码是 604817"}).encode()


def score_lines(lines: bytes, *options: str) -> click.testing.Result:
    return run("score", "--jsonl", *(options or RELEASE), lines=lines)


@pytest.fixture(scope="module")
def conformance_card() -> ReleaseCard:
    return ReleaseCard.from_json(read(CARD_FILE))


@pytest.fixture(scope="module")
def conformance_scorer(conformance_card: ReleaseCard) -> Scorer:
    return Scorer(read(MODEL_FILE), conformance_card)


@pytest.fixture(scope="module")
def trusted_root() -> bytes:
    return Repository(Clock()).root


@pytest.fixture
def store(tmp_path: Path, trusted_root: bytes) -> PhoneStore:
    made = PhoneStore(tmp_path / "phone")
    made.initialise(trusted_root, SOURCE)
    return made


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["色情骚扰", "拦截", "不回复、不回拨", "绝不裸聊", "12321", "110", "因为"]),
        ("en", ["sexual solicitation", "blocked", "Do not reply", "Never undress", "12321", "110", "because of"]),
    ],
)
def test_a_solicitation_is_shown_with_its_reasons_and_advice(
    language: str, words: list[str], conformance_card: ReleaseCard
) -> None:
    result = run("score", *RELEASE, "--language", language, SOLICITATION + "看照片，可上门服务")
    assert result.exit_code == 0
    assert result.stderr == ""
    for word in [*words, conformance_card.version]:
        assert word in result.stdout


def test_a_code_is_shown_without_advice() -> None:
    result = run("score", *RELEASE, "--language", "en", "您的验证码是 604817，5分钟内有效")
    assert result.exit_code == 0
    assert "allowed" in result.stdout
    assert "notice" in result.stdout
    assert "Do not reply" not in result.stdout


@pytest.mark.parametrize(
    ("option", "reason"), [("--contact", "in the address book"), ("--allow", "on your allow-list")]
)
def test_a_known_sender_is_let_through(option: str, reason: str) -> None:
    arguments = ["score", *RELEASE, "--language", "en", SOLICITATION, "--sender", "+86 138 0000 1111"]
    assert reason not in run(*arguments).stdout
    assert reason in " ".join(run(*arguments, option, "13800001111").stdout.split())


def test_an_explanation_lists_the_characters_and_every_probability() -> None:
    result = run("explain", *RELEASE, "--language", "en", SOLICITATION)
    assert result.exit_code == 0
    assert "薇" in result.stdout
    assert result.stdout.count("%") == len(Category)


@pytest.mark.parametrize("command", ["score", "explain"])
@pytest.mark.parametrize("text", ["", "\x1b[31m\x07加微信\u202e", "\x00", "\ud800", "a\nb"])
def test_no_message_can_command_the_terminal(command: str, text: str) -> None:
    result = run(command, *RELEASE, "--", text)
    assert result.exit_code == 0
    assert not {"\x1b", "\x07", "\x00", "\u202e"} & set(result.stdout)


def test_arguments_of_a_locale_without_chinese_are_read_as_they_were_typed() -> None:
    as_python_hands_them_over = SOLICITATION.encode().decode("ascii", "surrogateescape")
    assert run("score", *RELEASE, as_python_hands_them_over).stdout == run("score", *RELEASE, SOLICITATION).stdout


def test_lines_are_answered_in_order_with_four_members(conformance_scorer: Scorer) -> None:
    result = score_lines(b"".join(json.dumps({"text": text}).encode() + b"\n" for text in TEXTS))
    assert (result.exit_code, result.stderr) == (0, "")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    for text, answer in zip(TEXTS, answers, strict=True):
        verdict = conformance_scorer.score(text)
        assert answer == {
            "category": verdict.category,
            "action": verdict.action,
            "probabilities": dict(verdict.probabilities),
            "release": verdict.release,
        }


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": ""}',
        b'{"text": "\\u0000 \\ud800 \\udfff\\ud800"}',
        b'{"text": "\xed\xa0\x80"}',
        '{"text": "加微信😀\u202e"}'.encode(),
        b'{"text": "a", "received_at": 5, "more": [{}]}',
        b'{"text": "a", "sender": null}',
        b'{"text": "a", "length": ' + b"9" * 10_000 + b"}",
        b'\xef\xbb\xbf{"text": "a"}',
        b'  {"text": "a"}\t\r',
    ],
)
def test_any_text_is_scored(line: bytes) -> None:
    result = score_lines(line + b"\n" + GOOD_LINE)
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"no JSON",
        b"{'text': 'a'}",
        b'{"text": "a"',
        b'{"text": "a"} {"text": "b"}',
        b'{"text": "\xff"}',
        b'{"text": "a\x00b"}',
        b'{"text": "a", "score": NaN}',
        b'{"text": "a", "score": -Infinity}',
        b"[" * 100_000,
        b'{"text": ' * 100_000,
        b"null",
        b"5",
        b'"text"',
        b'["text"]',
        b"{}",
        b'{"Text": "a"}',
        b'{"text": 604817}',
        b'{"text": null}',
        b'{"text": ["a"]}',
        b'{"text": "a", "sender": 95588}',
    ],
    ids=lambda line: line[:30].decode("ascii", "backslashreplace"),
)
def test_a_line_that_holds_no_message_ends_it_with_its_number(line: bytes) -> None:
    result = score_lines(b"\n".join([GOOD_LINE, GOOD_LINE, line, GOOD_LINE, GOOD_LINE]))
    assert_refused(result, "line 3: ")
    assert len(result.stdout.splitlines()) == 2


def test_the_number_counts_over_more_than_one_read() -> None:
    good = json.dumps({"text": "好" * 3000}).encode() + b"\n"
    result = score_lines(good * 50 + b"bad\n" + good)
    assert_refused(result, "line 51: no JSON")
    assert len(result.stdout.splitlines()) == 50


def test_an_error_holds_nothing_of_the_message() -> None:
    assert "planted" not in score_lines(b'{"text": "planted"').stderr


def test_no_lines_get_no_answers() -> None:
    assert (score_lines(b"").exit_code, score_lines(b"").output) == (0, "")


def test_a_line_of_10_mb_is_scored() -> None:
    began_at_seconds = time.monotonic()
    result = score_lines(json.dumps({"text": SOLICITATION + "a" * 10_000_000}).encode() + b"\n" + GOOD_LINE)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert time.monotonic() - began_at_seconds < 10


def test_the_sender_of_a_line_counts() -> None:
    sure = SOLICITATION + "看照片，可上门服务"
    lines = [json.dumps({"text": sure, "sender": sender}).encode() for sender in ("95588", "13800001111", None)]
    answers = score_lines(b"\n".join(lines), *RELEASE, "--allow", "138-0000-1111").stdout.splitlines()
    assert [json.loads(answer)["action"] for answer in answers] == [Action.BLOCK, Action.ALLOW, Action.BLOCK]


def test_strictness_is_normal_unless_told(conformance_card: ReleaseCard) -> None:
    texts = [SOLICITATION[:length] for length in range(1, len(SOLICITATION) + 1)]
    lines = b"\n".join(json.dumps({"text": text}).encode() for text in texts)
    actions: dict[str, list[str]] = {}
    for told in (*Strictness, None):
        given = () if told is None else ("--strictness", told.value)
        answers = [json.loads(answer) for answer in score_lines(lines, *RELEASE, *given).stdout.splitlines()]
        actions[told or "not told"] = [answer["action"] for answer in answers]
        for answer in answers:
            probabilities = list(answer["probabilities"].values())
            assert answer["action"] == decide(probabilities, conformance_card, told or Strictness.NORMAL).action
    assert actions["not told"] == actions["normal"]
    assert len({tuple(actions[strictness]) for strictness in Strictness}) == len(Strictness)


def test_a_packed_model_will_do(tmp_path: Path) -> None:
    packed = tmp_path / "model.onnx.gz"
    packed.write_bytes(gzip.compress(read(MODEL_FILE)))
    result = score_lines(GOOD_LINE, "--model", str(packed), "--card", str(FOLDER / CARD_FILE))
    assert result.stdout == score_lines(GOOD_LINE).stdout


def test_the_release_of_the_phone_is_used(store: PhoneStore, conformance_card: ReleaseCard) -> None:
    install(store, conformance_card)
    result = score_lines(GOOD_LINE, "--state", str(store.directory))
    assert result.stdout == score_lines(GOOD_LINE).stdout


def test_a_phone_without_a_release_allows_everything_and_says_so(store: PhoneStore) -> None:
    state = ("--state", str(store.directory))
    result = score_lines(GOOD_LINE + b"\n" + GOOD_LINE, *state)
    assert result.exit_code == 0
    nothing = {"category": None, "action": "allow", "probabilities": None, "release": None}
    assert [json.loads(line) for line in result.stdout.splitlines()] == [nothing] * 2
    assert "no release" in result.stderr
    for command in ("score", "explain"):
        shown = run(command, SOLICITATION, *state, "--language", "en")
        assert shown.exit_code == 0
        assert "everything is allowed" in " ".join(shown.stdout.split())


def test_bad_lines_are_refused_without_a_release_too(store: PhoneStore) -> None:
    result = score_lines(GOOD_LINE + b"\n{", "--state", str(store.directory))
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("quietline: line 2: no JSON; a line looks like {")
    assert len(result.stdout.splitlines()) == 1


def test_a_damaged_release_is_not_used(store: PhoneStore, conformance_card: ReleaseCard) -> None:
    install(store, conformance_card)
    model = store.release_folder(conformance_card.version) / MODEL_FILE
    model.write_bytes(model.read_bytes()[:-1] + b"\x00")
    assert_refused(score_lines(GOOD_LINE, "--state", str(store.directory)), "was changed or lost")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (RELEASE[:2], "go together"),
        (RELEASE[2:], "go together"),
        (("--state", "/nowhere/at/all"), "holds no phone yet"),
        (("--model", "/nowhere", *RELEASE[2:]), "cannot read /nowhere"),
        ((*RELEASE[:2], "--card", "/nowhere"), "cannot read /nowhere"),
        (("--model", str(FOLDER), *RELEASE[2:]), "directory"),
        (("--model", RELEASE[3], *RELEASE[2:]), "is not the model that"),
        ((*RELEASE[:2], "--card", RELEASE[1]), "is no release card"),
        (("--model", "/dev/zero", *RELEASE[2:]), "too long"),
        ((*RELEASE, "--strictness", "harsh"), "harsh"),
        ((*RELEASE, "--colour"), "--colour"),
        ((*RELEASE, SOLICITATION), "either a TEXT or --jsonl"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(options: tuple[str, ...], words: str) -> None:
    result = score_lines(GOOD_LINE, *options)
    assert_refused(result, words)
    assert result.stdout == ""


def test_the_card_of_another_model_is_refused(tmp_path: Path, conformance_card: ReleaseCard) -> None:
    other = conformance_card.model.model_copy(update={"sha256": "sha256:" + "0" * 64})
    card = tmp_path / "card.json"
    card.write_bytes(conformance_card.model_copy(update={"model": other}).to_json())
    assert_refused(score_lines(GOOD_LINE, *RELEASE[:2], "--card", str(card)), "is not the model that")


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08 broken", gzip.compress(read(MODEL_FILE))[:5000]])
def test_a_broken_packed_model_is_refused(tmp_path: Path, content: bytes) -> None:
    packed = tmp_path / "model.onnx.gz"
    packed.write_bytes(content)
    assert_refused(score_lines(GOOD_LINE, "--model", str(packed), *RELEASE[2:]), str(packed))


def test_neither_a_text_nor_lines_is_refused() -> None:
    assert_refused(run("score", *RELEASE), "either a TEXT or --jsonl")
    assert_refused(run("explain", *RELEASE), "TEXT")
