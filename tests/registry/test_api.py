"""What holds for every endpoint of the registry: keys, pages, faults of the database, and the document."""

import sqlite3
from datetime import datetime

import pytest
from sqlalchemy import event

from services.registry.app import create_app
from services.registry.gate import RULES
from shared.auth import Scope
from shared.database import open_engine
from tests.registry.candidates import FIRST, UNKNOWN, make_candidate
from tests.registry.conftest import Registry, problem


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
        "/diagnosis",
    }
    for path, operations in paths.items():
        for operation in operations.values():
            assert {"401", "404", "422", "507"} <= set(operation["responses"]), path


def test_the_document_tells_the_rules_of_the_gate(untouched):
    words = untouched.app.test_client().get("/docs/openapi.json").json["info"]["description"]
    for limit in (RULES.missed, RULES.hidden, *RULES.hidden_topics.values(), RULES.hidden_promotion):
        assert f"{limit.proven:.0%} if that is certain, {limit.plain:.0%} as counted" in words


def test_two_registries_on_the_same_folder_agree(registry, settings):
    registry.submit(FIRST)
    registry.promote(FIRST)
    other = create_app(settings, now=registry.clock)
    answer = other.test_client().get("/v1/channels/stable", headers={"Authorization": "Bearer publisher"})
    other.extensions["engine"].dispose()
    assert answer.json["release"] == FIRST.version
    assert datetime.fromisoformat(registry.get("/releases").json["items"][0]["submitted_at"]) == registry.clock()
