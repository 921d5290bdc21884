"""What channels offer, and what is remembered of them."""

import pytest

from tests.registry.candidates import BAD, FIRST, SECOND, UNKNOWN
from tests.registry.conftest import problem, with_two_releases


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

    def test_a_rollback_needs_no_body(self, registry):
        with_two_releases(registry)
        answer = registry.call("POST", "/channels/stable/rollback")
        assert (answer.status_code, answer.json["release"]) == (200, FIRST.version)

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
