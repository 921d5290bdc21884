"""What the registry does with a candidate: judge it, keep it, answer a repetition alike, and promote it by itself."""

import gzip
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.registry import store
from services.registry.blobs import ModelBlobs
from services.registry.gate import RULES
from shared.release_card import MAX_COMPRESSED_MODEL_BYTES
from tests.registry.candidates import BAD, FIRST, good_evidence, group, make_candidate
from tests.registry.conftest import Registry, problem


def test_a_good_candidate_is_accepted_and_kept_as_it_came(registry):
    answer = registry.submit(FIRST)
    assert answer.status_code == 201
    assert answer.json["state"] == "accepted"
    assert answer.json["reasons"] == []
    assert answer.json["submitted_by"] == "training"
    assert registry.get(f"/releases/{FIRST.version}").json == answer.json
    assert registry.get(f"/releases/{FIRST.version}/card").data == FIRST.card.to_json()
    model = registry.get(f"/releases/{FIRST.version}/model", by="training")
    assert model.data == FIRST.compressed
    assert model.content_type == "application/gzip"
    assert "Content-Encoding" not in model.headers


def test_a_bad_candidate_is_refused_in_words_and_stays_on_record(registry):
    answer = registry.submit(BAD)
    assert answer.status_code == 201
    assert answer.json["state"] == "refused"
    assert answer.json["reasons"] == [
        f"porn: 60 of 60 held-out messages missed (100.0%); at most {RULES.missed.proven:.1%} is allowed"
    ]
    assert problem(registry.promote(BAD)) == "not-promotable"


@pytest.mark.parametrize("candidate", [FIRST, BAD], ids=["accepted", "refused"])
def test_the_same_submission_again_gives_the_same_answer(registry, candidate):
    first = registry.submit(candidate)
    registry.clock.pass_by(days=3)
    again = registry.submit(candidate)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json


@pytest.mark.parametrize(
    "other",
    [
        make_candidate(1, evidence=good_evidence(topic_code=group("topic", "code", 31))),
        make_candidate(1, content=b"another model"),
        make_candidate(1, version=FIRST.version.replace("2025", "2026")),
    ],
    ids=["evidence", "model", "version"],
)
def test_a_run_cannot_submit_something_else_later(registry, other):
    registry.submit(FIRST)
    answer = registry.submit(other)
    assert answer.status_code == 409
    assert problem(answer) == "different-candidate"


def hold_until_all_have_called(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, callers: int) -> None:
    """Lets the first call of each thread return only when all of them have made theirs."""
    call, barrier, this_thread = getattr(owner, name), threading.Barrier(callers), threading.local()

    def call_and_wait(*arguments: Any) -> Any:
        answer = call(*arguments)
        if not hasattr(this_thread, "has_called"):
            this_thread.has_called = True
            barrier.wait(timeout=30)
        return answer

    monkeypatch.setattr(owner, name, call_and_wait)


@pytest.mark.parametrize("candidate", [FIRST, BAD], ids=["accepted", "refused"])
def test_twins_at_the_same_instant_get_the_same_answer(registry, monkeypatch, candidate):
    """On PostgreSQL neither sees the other when it looks; SQLite lets one in at a time, so there they meet before."""
    is_postgres = registry.app.extensions["engine"].dialect.name == "postgresql"
    owner, name = (store, "find_submission") if is_postgres else (ModelBlobs, "put")
    hold_until_all_have_called(monkeypatch, owner, name, 2)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: registry.submit(candidate), range(2))
    assert sorted([first.status_code, second.status_code]) == [200, 201]
    assert first.json == second.json
    assert registry.get("/releases").json["items"] == [first.json]


@pytest.mark.parametrize(("late", "status"), [(FIRST, 200), (make_candidate(1, content=b"other"), 409)])
def test_who_looked_before_the_other_wrote_is_told_what_the_other_wrote(registry, monkeypatch, late, status):
    """What PostgreSQL makes possible, on every database: the first look finds nothing although a row is there."""
    registry.submit(FIRST)
    look, looks = store.find_submission, []

    def look_too_early(*place: Any) -> store.Release | None:
        looks.append(place)
        return None if len(looks) == 1 else look(*place)

    monkeypatch.setattr(store, "find_submission", look_too_early)
    assert registry.submit(late).status_code == status
    assert len(looks) == 2
    assert [item["version"] for item in registry.get("/releases").json["items"]] == [FIRST.version]


def test_plain_form_fields_do_as_well_as_files(registry):
    data = FIRST.parts() | {"card": FIRST.card.to_json().decode(), "evidence": FIRST.evidence.model_dump_json()}
    assert registry.call("POST", "/candidates", by="training", data=data).status_code == 201


def test_a_damaged_model_is_not_kept_and_may_be_sent_again(registry):
    damaged = FIRST.parts() | {"model": (io.BytesIO(FIRST.compressed[:-4]), "model.onnx.gz")}
    answer = registry.call("POST", "/candidates", by="training", data=damaged)
    assert answer.status_code == 422
    assert problem(answer) == "model-mismatch"
    assert registry.get(f"/releases/{FIRST.version}").status_code == 404
    assert registry.submit(FIRST).status_code == 201


def test_a_model_that_phones_would_not_take_is_refused_by_the_gate(registry):
    noise = gzip.compress(bytes(range(256)) * 1600, compresslevel=0)
    assert len(noise) > MAX_COMPRESSED_MODEL_BYTES
    candidate = make_candidate(1, content=bytes(range(256)) * 1600)
    parts = candidate.parts() | {"model": (io.BytesIO(noise), "model.onnx.gz")}
    answer = registry.call("POST", "/candidates", by="training", data=parts)
    assert "phones take at most" in answer.json["reasons"][0]


@pytest.mark.parametrize(
    ("changed", "status", "word"),
    [
        ({"card": b"{"}, 422, "malformed-card"),
        ({"card": b"[" * 60_000}, 422, "malformed-card"),
        ({"card": b'{"format": "quietline-release/2"}'}, 422, "malformed-card"),
        ({"card": b"\xff\xfe"}, 422, "malformed-card"),
        ({"card": b'"\\u0000\\ud800"'}, 422, "malformed-card"),
        ({"card": b'{"graph": "\x00"}'}, 422, "malformed-card"),
        ({"card": b" " * 70_000}, 413, "part-too-long"),
        ({"evidence": b"null"}, 422, "malformed-evidence"),
        ({"evidence": b'{"groups": [{"kind": "porn"}]}'}, 422, "malformed-evidence"),
        ({"model": b""}, 422, "model-mismatch"),
    ],
)
def test_a_part_that_does_not_fit_is_a_problem_and_nothing_is_kept(untouched, changed, status, word):
    parts = FIRST.parts() | {name: (io.BytesIO(content), name) for name, content in changed.items()}
    answer = untouched.call("POST", "/candidates", by="training", data=parts)
    assert (answer.status_code, problem(answer)) == (status, word)
    assert untouched.get("/releases").json["items"] == []


def test_what_does_not_fit_of_a_part_is_told_in_our_words_without_what_was_sent(untouched):
    planted = "plante 13900001234 planted"
    counts = dict.fromkeys(("both_right", "only_candidate_right", "only_reference_right", "both_wrong"), 1)
    group = {"kind": "topic", "name": planted, "messages": 5} | counts
    evidence = {"reference": planted, "held_out_digest": f"sha256:{'0' * 64}", "groups": [group], planted: 1}
    parts = FIRST.parts() | {"evidence": (io.BytesIO(json.dumps(evidence).encode()), "evidence")}
    answer = untouched.call("POST", "/candidates", by="training", data=parts)
    assert problem(answer) == "malformed-evidence"
    assert answer.json["faults"] == [
        {"where": "evidence.reference", "why": "must fit ^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$"},
        {"where": "evidence.groups.0", "why": "the four counts must add up to `messages`"},
        {"where": "evidence", "why": "holds a member that is not known"},
    ]
    assert answer.json["detail"].startswith("evidence.reference: must fit ^")
    assert planted not in answer.text


def test_a_submission_of_more_than_a_mebibyte_is_refused_unread(untouched):
    body = b'--x\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n' + bytes(1_100_000)
    answer = untouched.call(
        "POST", "/candidates", by="training", data=body, content_type="multipart/form-data; boundary=x"
    )
    assert (answer.status_code, problem(answer)) == (413, "request-entity-too-large")


@pytest.mark.parametrize("missing", ["card", "evidence", "model"])
def test_a_missing_part_is_named(untouched, missing):
    parts = {name: part for name, part in FIRST.parts().items() if name != missing}
    answer = untouched.call("POST", "/candidates", by="training", data=parts)
    assert (answer.status_code, problem(answer)) == (422, "invalid-value")
    assert answer.json["faults"][0]["where"] == missing


@pytest.mark.parametrize(
    "request_",
    [
        {"data": b"", "content_type": "multipart/form-data; boundary=x"},
        {"data": b"--x\r\nbroken", "content_type": "multipart/form-data; boundary=x"},
        {"data": b"no boundary", "content_type": "multipart/form-data"},
        {"json": {"card": {}}},
        {"data": b""},
    ],
    ids=["empty", "broken", "no boundary", "json", "nothing"],
)
def test_what_is_no_multipart_is_a_problem(untouched, request_):
    answer = untouched.call("POST", "/candidates", by="training", **request_)
    assert answer.status_code in {400, 415, 422}
    assert problem(answer)


def test_a_problem_repeats_nothing_of_what_was_sent(untouched):
    secret = "老婆怀孕不方便"
    parts = FIRST.parts() | {"card": (io.BytesIO(f'{{"format": "{secret}"}}'.encode()), "card.json")}
    answer = untouched.call("POST", "/candidates", by="training", data=parts)
    assert secret not in answer.text


class TestAutomaticPromotion:
    @pytest.fixture
    def automatic(self, registry, settings) -> Iterator[Registry]:
        changed = settings.model_copy(update={"promote_to": "stable", "promote_percentage": 10})
        made = Registry(changed, registry.clock)
        made.start()
        yield made
        made.close()

    def test_an_accepted_candidate_goes_to_the_channel_by_itself(self, automatic):
        automatic.submit(FIRST)
        channel = automatic.get("/channels/stable").json
        assert (channel["candidate"], channel["percentage"]) == (FIRST.version, 10)
        assert automatic.get("/channels/stable/history").json["items"][0]["approver"] == "automatic promotion"

    def test_a_refused_one_does_not(self, automatic):
        automatic.submit(BAD)
        assert automatic.get("/channels/stable").json["candidate"] is None

    def test_a_repeated_submission_never_brings_back_what_was_rolled_back(self, automatic):
        automatic.submit(FIRST)
        automatic.post("/channels/stable/rollback")
        assert automatic.submit(FIRST).status_code == 200
        assert automatic.get("/channels/stable").json["candidate"] is None

    def test_a_submission_cut_off_before_its_promotion_is_promoted_when_repeated(self, registry, automatic):
        registry.submit(FIRST)
        assert automatic.get("/channels/stable").json["candidate"] is None
        assert automatic.submit(FIRST).status_code == 200
        assert automatic.get("/channels/stable").json["candidate"] == FIRST.version

    def test_without_the_targets_key_the_candidate_waits(self, automatic):
        for file in automatic.settings.tuf_keys_dir.glob("targets-*.pem"):
            file.unlink()
        assert automatic.submit(FIRST).json["state"] == "accepted"
        assert automatic.get("/channels/stable").json["candidate"] is None
