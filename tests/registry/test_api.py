"""What the registry answers, to the right people and to all others."""

import gzip
import io
import sqlite3
from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import event

from services.registry.app import create_app
from services.registry.gate import RULES
from shared.auth import Scope
from shared.database import open_engine
from shared.release_card import MAX_COMPRESSED_MODEL_BYTES
from tests.registry.candidates import good_evidence, group, make_candidate
from tests.registry.conftest import Registry

FIRST = make_candidate(1)
SECOND = make_candidate(2, evidence=good_evidence(FIRST.version))
BAD = make_candidate(3, evidence=good_evidence(category_porn=group("category", "porn", 60, 60)))
UNKNOWN = "20200101-000000-00000000"


def problem(answer) -> str:
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == answer.status_code
    return answer.json["type"].removeprefix("urn:quietline:problem:")


def with_two_releases(registry: Registry) -> None:
    registry.submit(FIRST)
    registry.promote(FIRST)
    registry.clock.pass_by(days=1)
    registry.submit(SECOND)
    registry.promote(SECOND)


class TestCandidates:
    def test_a_good_candidate_is_accepted_and_kept_as_it_came(self, registry):
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

    def test_a_bad_candidate_is_refused_in_words_and_stays_on_record(self, registry):
        answer = registry.submit(BAD)
        assert answer.status_code == 201
        assert answer.json["state"] == "refused"
        assert answer.json["reasons"] == [
            f"porn: 60 of 60 held-out messages missed (100.0%); at most {RULES.missed.proven:.1%} is allowed"
        ]
        assert problem(registry.promote(BAD)) == "not-promotable"

    @pytest.mark.parametrize("candidate", [FIRST, BAD], ids=["accepted", "refused"])
    def test_the_same_submission_again_gives_the_same_answer(self, registry, candidate):
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
    def test_a_run_cannot_submit_something_else_later(self, registry, other):
        registry.submit(FIRST)
        answer = registry.submit(other)
        assert answer.status_code == 409
        assert problem(answer) == "different-candidate"

    def test_plain_form_fields_do_as_well_as_files(self, registry):
        data = FIRST.parts() | {"card": FIRST.card.to_json().decode(), "evidence": FIRST.evidence.model_dump_json()}
        assert registry.call("POST", "/candidates", by="training", data=data).status_code == 201

    def test_a_damaged_model_is_not_kept_and_may_be_sent_again(self, registry):
        damaged = FIRST.parts() | {"model": (io.BytesIO(FIRST.compressed[:-4]), "model.onnx.gz")}
        answer = registry.call("POST", "/candidates", by="training", data=damaged)
        assert answer.status_code == 422
        assert problem(answer) == "model-mismatch"
        assert registry.get(f"/releases/{FIRST.version}").status_code == 404
        assert registry.submit(FIRST).status_code == 201

    def test_a_model_that_phones_would_not_take_is_refused_by_the_gate(self, registry):
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
    def test_a_part_that_does_not_fit_is_a_problem_and_nothing_is_kept(self, untouched, changed, status, word):
        parts = FIRST.parts() | {name: (io.BytesIO(content), name) for name, content in changed.items()}
        answer = untouched.call("POST", "/candidates", by="training", data=parts)
        assert (answer.status_code, problem(answer)) == (status, word)
        assert untouched.get("/releases").json["items"] == []

    def test_a_submission_of_more_than_a_mebibyte_is_refused_unread(self, untouched):
        body = b'--x\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n' + bytes(1_100_000)
        answer = untouched.call(
            "POST", "/candidates", by="training", data=body, content_type="multipart/form-data; boundary=x"
        )
        assert (answer.status_code, problem(answer)) == (413, "request-entity-too-large")

    @pytest.mark.parametrize("missing", ["card", "evidence", "model"])
    def test_a_missing_part_is_named(self, untouched, missing):
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
    def test_what_is_no_multipart_is_a_problem(self, untouched, request_):
        answer = untouched.call("POST", "/candidates", by="training", **request_)
        assert answer.status_code in {400, 415, 422}
        assert problem(answer)

    def test_a_problem_repeats_nothing_of_what_was_sent(self, untouched):
        secret = "老婆怀孕不方便"
        parts = FIRST.parts() | {"card": (io.BytesIO(f'{{"format": "{secret}"}}'.encode()), "card.json")}
        answer = untouched.call("POST", "/candidates", by="training", data=parts)
        assert secret not in answer.text


class TestChannels:
    def test_stable_is_there_before_anything_was_promoted(self, untouched):
        empty = {"name": "stable", "release": None, "candidate": None, "percentage": 0, "withdrawn": []}
        assert untouched.get("/channels").json == {"items": [empty], "next_cursor": None}
        assert untouched.get("/channels/stable").json == empty

    def test_a_staged_rollout_names_release_and_candidate(self, registry):
        registry.submit(FIRST)
        registry.promote(FIRST)
        registry.submit(SECOND)
        answer = registry.promote(SECOND, 25)
        assert answer.json == {
            "name": "stable",
            "release": FIRST.version,
            "candidate": SECOND.version,
            "percentage": 25,
            "withdrawn": [],
        }
        assert registry.promote(SECOND).json["release"] == SECOND.version

    def test_a_rollback_takes_one_step(self, registry):
        with_two_releases(registry)
        assert registry.post("/channels/stable/rollback").json["release"] == FIRST.version
        answer = registry.post("/channels/stable/rollback")
        assert (answer.status_code, problem(answer)) == (409, "nothing-to-roll-back")

    def test_withdrawing_takes_a_release_out_of_every_channel_for_ever(self, registry):
        with_two_releases(registry)
        registry.promote(SECOND, channel="beta")
        answer = registry.post(f"/releases/{SECOND.version}/withdraw", {"reason": "hides codes of one bank"})
        assert answer.json["state"] == "withdrawn"
        assert answer.json["withdrawn_reason"] == "hides codes of one bank"
        channels = {channel["name"]: channel for channel in registry.get("/channels").json["items"]}
        assert channels["stable"]["release"] == FIRST.version
        assert channels["beta"]["release"] is None
        assert channels["stable"]["withdrawn"] == channels["beta"]["withdrawn"] == [SECOND.version]
        assert problem(registry.promote(SECOND)) == "not-promotable"
        assert registry.post(f"/releases/{SECOND.version}/withdraw", {"reason": "again"}).json == answer.json

    def test_what_the_gate_refused_cannot_be_withdrawn(self, registry):
        registry.submit(BAD)
        assert problem(registry.post(f"/releases/{BAD.version}/withdraw", {"reason": "x"})) == "never-accepted"

    def test_promoting_again_what_all_phones_have_changes_nothing(self, registry):
        with_two_releases(registry)
        before = registry.get("/channels/stable/history").json
        assert registry.promote(SECOND).status_code == 200
        assert registry.get("/channels/stable/history").json == before
        assert problem(registry.promote(SECOND, 50)) == "already-in-service"

    @pytest.mark.parametrize(
        "body",
        [
            {"version": FIRST.version, "percentage": 0},
            {"version": FIRST.version, "percentage": 101},
            {"version": FIRST.version, "percentage": "many"},
            {"version": FIRST.version, "percentage": 10**30},
            {"version": "newest"},
            {"version": FIRST.version + "\n"},
            {"version": FIRST.version, "channel": "stable"},
            {},
        ],
    )
    def test_a_promotion_that_makes_no_sense_is_a_problem(self, untouched, body):
        answer = untouched.post("/channels/stable/promote", body)
        assert (answer.status_code, problem(answer)) == (422, "invalid-value")
        assert untouched.get("/channels/stable").json["release"] is None

    @pytest.mark.parametrize("name", ["Stable", "-", "a" * 31, "stable%00", "..", "孕"])
    def test_a_channel_name_that_is_none_is_a_problem(self, untouched, name):
        answer = untouched.get(f"/channels/{name}")
        assert answer.status_code in {404, 422}
        assert problem(answer)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", f"/releases/{UNKNOWN}"),
            ("GET", f"/releases/{UNKNOWN}/card"),
            ("GET", f"/releases/{UNKNOWN}/model"),
            ("POST", f"/releases/{UNKNOWN}/withdraw"),
            ("POST", "/channels/stable/promote"),
        ],
    )
    def test_an_unknown_version_is_a_problem(self, untouched, method, path):
        by = "training" if path.endswith("model") else "publisher"
        content = {"version": UNKNOWN} if path.endswith("promote") else {"reason": "x"}
        answer = untouched.call(method, path, by=by, **({"json": content} if method == "POST" else {}))
        assert (answer.status_code, problem(answer)) == (404, "unknown-release")

    @pytest.mark.parametrize("path", ["/channels/beta", "/channels/beta/history"])
    def test_a_channel_to_which_nothing_was_promoted_is_unknown(self, untouched, path):
        answer = untouched.get(path)
        assert (answer.status_code, problem(answer)) == (404, "unknown-channel")
        assert untouched.post("/channels/beta/rollback").status_code == 404

    def test_a_long_body_is_refused_before_it_is_read(self, untouched):
        answer = untouched.post("/channels/stable/promote", {"version": "x" * 1_000_000})
        assert answer.status_code == 413
        assert problem(answer)


class TestHistory:
    def test_it_answers_what_was_in_service_on_a_day_who_approved_it_and_on_what_figures(self, registry):
        with_two_releases(registry)
        registry.clock.pass_by(days=5)
        registry.post("/channels/stable/rollback")

        def on(day: str) -> dict:
            items = registry.get(f"/channels/stable/history?on={day}").json["items"]
            return items[0] if items else {"release": None}

        assert on("2025-05-31")["release"] is None
        assert on("2025-06-01")["release"] == FIRST.version
        assert on("2025-06-01")["approver"] == "publisher"
        assert on("2025-06-01")["figures"]["recall_porn"] == 0.8
        assert on("2025-06-02")["release"] == SECOND.version
        assert on("2025-06-06")["release"] == SECOND.version
        assert (on("2025-06-07")["event"], on("2025-06-07")["release"]) == ("rollback", FIRST.version)

    def test_a_withdrawal_is_in_it_with_its_reason(self, registry):
        with_two_releases(registry)
        registry.post(f"/releases/{SECOND.version}/withdraw", {"reason": "hides codes"})
        newest = registry.get("/channels/stable/history").json["items"][0]
        assert (newest["event"], newest["version"], newest["release"], newest["reason"]) == (
            "withdraw",
            SECOND.version,
            FIRST.version,
            "hides codes",
        )

    def test_after_a_withdrawal_it_says_who_approved_the_release_that_is_back(self, registry):
        with_two_releases(registry)
        second, first = registry.get("/channels/stable/history").json["items"]
        registry.post(f"/releases/{SECOND.version}/withdraw", {"reason": "hides codes"})
        withdrawal = registry.get("/channels/stable/history").json["items"][0]
        assert second["approval"]["at"] == second["at"]
        assert (
            withdrawal["approval"]
            == first["approval"]
            == {
                "approver": first["approver"],
                "at": first["at"],
                "figures": first["figures"],
            }
        )

    def test_it_comes_in_pages_newest_first_and_complete(self, registry):
        registry.submit(FIRST)
        for percentage in range(1, 8):
            registry.promote(FIRST, percentage)
        whole = registry.get("/channels/stable/history").json["items"]
        assert [item["percentage"] for item in whole] == [7, 6, 5, 4, 3, 2, 1]
        paged, query = [], "limit=3"
        while query:
            page = registry.get(f"/channels/stable/history?{query}").json
            paged += page["items"]
            query = page["next_cursor"] and f"limit=3&cursor={page['next_cursor']}"
        assert paged == whole

    @pytest.mark.parametrize("day", ["tomorrow", "2025-13-01", "0000-01-01"])
    def test_a_day_that_is_none_is_a_problem(self, untouched, day):
        assert untouched.get(f"/channels/stable/history?on={day}").status_code == 422

    @pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
    def test_the_first_and_the_last_day_of_the_calendar_are_days(self, untouched, day):
        assert untouched.get(f"/channels/stable/history?on={day}").status_code == 200


class TestLists:
    def test_releases_come_in_pages_newest_first_and_complete(self, registry):
        for number in range(1, 6):
            registry.submit(make_candidate(number))
            registry.clock.pass_by(seconds=number % 2)
        whole = registry.get("/releases").json["items"]
        assert len({item["version"] for item in whole}) == 5
        assert whole == sorted(whole, key=lambda item: (item["submitted_at"], item["version"]), reverse=True)
        paged, query = [], "limit=2"
        while query:
            page = registry.get(f"/releases?{query}").json
            paged += page["items"]
            query = page["next_cursor"] and f"limit=2&cursor={page['next_cursor']}"
        assert paged == whole

    def test_channels_come_in_pages_by_name(self, registry):
        registry.submit(FIRST)
        for name in ("beta", "alpha", "zeta"):
            registry.promote(FIRST, channel=name)
        first = registry.get("/channels?limit=3").json
        rest = registry.get(f"/channels?limit=3&cursor={first['next_cursor']}").json
        assert [item["name"] for item in first["items"] + rest["items"]] == ["alpha", "beta", "stable", "zeta"]
        assert rest["next_cursor"] is None

    @pytest.mark.parametrize("path", ["/releases", "/channels", "/channels/stable/history"])
    @pytest.mark.parametrize(
        "cursor",
        [
            "x",
            "WzFd",
            "WyJ4Il0=",
            "WzEyMzQ1Njc4OTAxMjM0NTY3ODkwXQ==",
            "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgIngiXQ==",
            "WyIyMDI1LTA2LTAxVDEyOjAwOjAwWiIsICJcdTAwMDAiXQ==",
        ],
    )
    def test_a_cursor_that_was_not_ours_is_never_an_internal_error(self, untouched, path, cursor):
        assert untouched.get(f"{path}?cursor={cursor}").status_code in {200, 400}

    @pytest.mark.parametrize("limit", ["0", "201", "-1", "x"])
    def test_a_page_has_a_sensible_length(self, untouched, limit):
        assert untouched.get(f"/releases?limit={limit}").status_code == 422


class TestKeys:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/candidates"),
            ("GET", "/releases"),
            ("GET", f"/releases/{UNKNOWN}"),
            ("GET", f"/releases/{UNKNOWN}/card"),
            ("GET", f"/releases/{UNKNOWN}/model"),
            ("POST", f"/releases/{UNKNOWN}/withdraw"),
            ("GET", "/channels"),
            ("GET", "/channels/stable"),
            ("POST", "/channels/stable/promote"),
            ("POST", "/channels/stable/rollback"),
            ("GET", "/channels/stable/history"),
        ],
    )
    def test_every_endpoint_needs_a_key_with_the_right_scope(self, untouched, method, path):
        unknown = untouched.call(method, path, by="nobody")
        assert (unknown.status_code, problem(unknown)) == (401, "key-needed")
        assert unknown.headers["WWW-Authenticate"] == "Bearer"
        lacking = untouched.call(method, path, by="reporter")
        assert (lacking.status_code, problem(lacking)) == (403, "scope-needed")

    def test_training_submits_and_does_not_publish(self, registry):
        registry.submit(FIRST)
        answer = registry.post("/channels/stable/promote", {"version": FIRST.version}, by="training")
        assert answer.status_code == 403
        assert registry.get("/channels/stable").json["release"] is None

    def test_publishing_does_not_submit(self, registry):
        assert registry.call("POST", "/candidates", by="publisher", data=FIRST.parts()).status_code == 403
        assert Scope.PUBLISH in answer_scopes(registry, "/v1/channels/{name}/promote")


def answer_scopes(registry: Registry, path: str) -> tuple[Scope, ...]:
    name = registry.app.test_client().get("/docs/openapi.json").json["paths"][path]["post"]["operationId"]
    return registry.app.view_functions[f"registry.{name}"].quietline_scopes


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


class TestSqlite:
    @pytest.fixture
    def database_url(self, tmp_path) -> str:
        return f"sqlite:///{tmp_path / 'registry.sqlite'}"

    def test_a_locked_database_is_told_and_changes_nothing(self, registry, monkeypatch):
        monkeypatch.setattr("shared.database.BUSY_TIMEOUT_SECONDS", 0.01)
        registry.start()
        registry.submit(FIRST)
        other = sqlite3.connect(registry.settings.database_url.removeprefix("sqlite:///"))
        other.execute("BEGIN IMMEDIATE")
        answer = registry.promote(FIRST)
        other.rollback()
        other.close()
        assert (answer.status_code, problem(answer)) == (503, "database-unavailable")
        assert answer.headers["Retry-After"]
        assert registry.promote(FIRST).status_code == 200

    def test_a_full_database_is_told_and_changes_nothing(self, registry, monkeypatch):
        path = registry.settings.database_url.removeprefix("sqlite:///")
        pages = sqlite3.connect(path).execute("PRAGMA page_count").fetchone()[0]
        engine_of_a_full_disk(monkeypatch, pages)
        registry.start()
        answer = registry.submit(FIRST)
        assert (answer.status_code, problem(answer)) == (507, "storage-full")
        monkeypatch.undo()
        registry.start()
        assert registry.get("/releases").json["items"] == []
        assert registry.submit(FIRST).status_code == 201


def engine_of_a_full_disk(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """Makes every connection of the registry a small one: SQLite itself then says that the disk is full."""

    def small(url: str):
        engine = open_engine(url)
        event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count={pages}"))
        return engine

    monkeypatch.setattr("services.registry.app.open_engine", small)


def test_no_message_number_or_key_is_logged(registry, capsys):
    registry.submit(FIRST)
    registry.promote(FIRST)
    logged = capsys.readouterr().out
    assert "publisher" not in logged
    assert "Bearer" not in logged


def test_the_document_lists_every_endpoint_with_its_errors(untouched):
    paths = untouched.app.test_client().get("/docs/openapi.json").json["paths"]
    assert {path.removeprefix("/v1") for path in paths if path.startswith("/v1")} == {
        "/candidates",
        "/releases",
        "/releases/{version}",
        "/releases/{version}/card",
        "/releases/{version}/model",
        "/releases/{version}/withdraw",
        "/channels",
        "/channels/{name}",
        "/channels/{name}/promote",
        "/channels/{name}/rollback",
        "/channels/{name}/history",
    }
    for path, operations in paths.items():
        for operation in operations.values():
            assert {"401", "404", "422", "507"} <= set(operation["responses"]), path


def test_the_document_tells_the_rules_of_the_gate(untouched):
    words = untouched.app.test_client().get("/docs/openapi.json").json["info"]["description"]
    for limit in (RULES.missed, RULES.hidden, RULES.hidden_topic, RULES.hidden_promotion):
        assert f"{limit.proven:.0%} if that is certain, {limit.plain:.0%} as counted" in words


def test_two_registries_on_the_same_folder_agree(registry, settings):
    registry.submit(FIRST)
    registry.promote(FIRST)
    other = create_app(settings, now=registry.clock)
    answer = other.test_client().get("/v1/channels/stable", headers={"Authorization": "Bearer publisher"})
    other.extensions["engine"].dispose()
    assert answer.json["release"] == FIRST.version
    assert datetime.fromisoformat(registry.get("/releases").json["items"][0]["submitted_at"]) == registry.clock()
