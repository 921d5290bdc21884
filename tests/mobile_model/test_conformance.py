"""The reference phone passes the vectors that every other phone must pass; they are what the generator makes."""

import copy
import json
import platform
from collections.abc import Iterator
from typing import Any

import pytest

from mobile_model import policy
from mobile_model.conformance import CARD_FILE, MODEL_FILE, VECTOR_FILES, read, read_vectors
from mobile_model.conformance.texts import BENIGN, SOLICITATION
from mobile_model.conformance.vectors import as_line, make_files
from mobile_model.scorer import Scorer
from mobile_model.updater.decision import Adopt, Keep, Leave, decide
from mobile_model.updater.errors import ClientTooOldError, UnfitReleaseError
from mobile_model.updater.source import read_card
from shared import folding
from shared.categories import Action, Category, Strictness
from shared.release_card import ChannelFile, ReleaseCard

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def card() -> ReleaseCard:
    return ReleaseCard.from_json(read(CARD_FILE))


@pytest.fixture(scope="module")
def scorer(card: ReleaseCard) -> Scorer:
    return Scorer(read(MODEL_FILE), card)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="another processor may round a weight the other way")
def test_the_generator_makes_what_is_committed() -> None:
    made = make_files()
    assert sorted(made) == sorted([MODEL_FILE, CARD_FILE, *(f"{name}.jsonl" for name in VECTOR_FILES)])
    for name, content in made.items():
        assert content == read(name), f"{name}: make it anew with `python -m mobile_model.conformance`"


def test_the_vectors_can_be_read_and_written_again() -> None:
    for name in VECTOR_FILES:
        lines = read(f"{name}.jsonl").splitlines(keepends=True)
        assert len(lines) == len(set(lines)) >= 10, name
        for line in lines:
            assert as_line(json.loads(line)) == line
            assert json.loads(line.decode("utf-8", "strict")) == json.loads(line)


def test_code_points() -> None:
    for vector in read_vectors("encoding"):
        units = b"".join(unit.to_bytes(2, "little") for unit in vector["utf16"])
        assert folding.codepoints(units.decode("utf-16-le", "surrogatepass")).tolist() == vector["codepoints"]


def test_fold_and_skeleton() -> None:
    for vector in read_vectors("fold"):
        points = folding.codepoints(vector["text"])
        assert points.tolist() == vector["codepoints"]
        assert folding.fold_codepoints(points).tolist() == vector["symbols"]
        assert folding.fold(vector["text"]) == vector["fold"]
        assert folding.skeleton(vector["text"]) == vector["skeleton"]


def test_probabilities_windows_and_contributions(scorer: Scorer) -> None:
    for vector in read_vectors("scores"):
        explanation = scorer.explain(vector["text"])
        probabilities = list(explanation.verdict.probabilities.values())
        assert probabilities == pytest.approx(vector["probabilities"], rel=0, abs=TOLERANCE), vector["text"]
        assert list(scorer.score(vector["text"]).probabilities.values()) == probabilities
        assert list(explanation.window) == vector["window"], vector["text"]
        assert explanation.contributions == pytest.approx(vector["contributions"], rel=0, abs=TOLERANCE), vector["text"]


def test_policy(card: ReleaseCard) -> None:
    for vector in read_vectors("policy"):
        decision = policy.decide(
            vector["probabilities"],
            card,
            Strictness(vector["strictness"]),
            {Category(category): Action(action) for category, action in vector["preferences"].items()},
            sender=vector["sender"],
            contacts=vector["contacts"],
            allowed=vector["allowed"],
        )
        assert [decision.category, decision.action, decision.reason] == [
            vector["category"], vector["action"], vector["reason"],
        ], vector  # fmt: skip


def test_senders() -> None:
    for vector in read_vectors("senders"):
        assert policy.normal_sender(vector["sender"]) == vector["normal"]
        assert policy.normal_sender(vector["normal"]) == vector["normal"]


def test_platforms() -> None:
    for vector in read_vectors("platforms"):
        mapped = policy.platform_actions(Category(vector["category"]), Action(vector["action"]))
        assert mapped == policy.PlatformActions(vector["ios_action"], vector["ios_sub_action"], vector["android"])


def test_release_cards() -> None:
    for vector in read_vectors("cards"):
        raw = vector["raw"].encode() if "raw" in vector else json.dumps(_changed(vector["change"])).encode()
        assert _answer(raw) == vector["answer"], {k: v for k, v in vector.items() if k != "raw"}


def test_channels() -> None:
    for vector in read_vectors("channels"):
        channel = ChannelFile.from_json(json.dumps(vector["channel"]))
        step = decide(channel, vector["draw"], vector["current"], is_sound=vector["is_sound"])
        expected = {
            "adopt": Adopt(vector["release_after"] or ""),
            "keep": Keep(),
            "leave": Leave(vector["current"] or ""),
        }
        assert step == expected[vector["step"]], vector


def test_the_vectors_hold_what_is_easily_got_wrong() -> None:
    texts = [vector["text"] for vector in read_vectors("scores")]
    lengths = {len(text) for text in texts}
    assert {0, 1} <= lengths
    assert max(lengths) >= 5000
    everything = "".join(texts)
    for kind in ("\x00", "\x1b", "\ud800", "\udfff", "\u202e", "\u05d0", "\U0001f600", "\U0010ffff"):
        assert kind in everything
    kinds = {(vector["action"], vector["reason"]) for vector in read_vectors("policy")}
    assert {reason for _, reason in kinds} == set(policy.Reason) - {policy.Reason.NO_RELEASE}
    assert {vector["answer"] for vector in read_vectors("cards")} == {"accepted", "refused", "newer_client"}
    assert {vector["step"] for vector in read_vectors("channels")} == {"adopt", "keep", "leave"}


def test_the_release_of_the_vectors_finds_a_solicitation_behind_200_benign_characters(scorer: Scorer) -> None:
    behind = [
        vector
        for vector in read_vectors("scores")
        if vector["text"].startswith(BENIGN[:200]) and vector["text"].endswith(SOLICITATION)
    ]
    assert len(behind) >= 2
    for vector in behind:
        assert vector["window"][0] >= len(BENIGN[:200]) - 80
        assert scorer.score(vector["text"]).action is Action.BLOCK
        assert not any(vector["contributions"][: vector["window"][0]])


def _changed(changes: list[dict[str, Any]]) -> Any:
    """Does to the card what a vector says, as README.md describes it."""
    content = json.loads(read(CARD_FILE))
    for change in changes:
        *parents, last = _keys(change["path"])
        place = content
        for key in parents:
            place = place[key]
        if "value" in change:
            place[last] = copy.deepcopy(change["value"])
        else:
            del place[last]
    return content


def _keys(path: str) -> Iterator[Any]:
    for key in path.split("/"):
        yield int(key) if key.isdigit() else key


def _answer(raw: bytes) -> str:
    try:
        read_card(raw)
    except ClientTooOldError:
        return "newer_client"
    except UnfitReleaseError:
        return "refused"
    return "accepted"
