"""The promises that every service's HTTP side makes."""

import errno
import io
from collections.abc import Callable
from typing import Any

import psycopg.errors
import pytest
import structlog
from flask import request
from flask.testing import FlaskClient
from gunicorn.http.errors import ChunkMissingTerminator, NoMoreData
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.auth import KeyEntry, KeyRing, Scope, hash_key, new_key
from shared.problems import PROBLEM_MEDIA_TYPE, Problem
from shared.web import (
    Metrics,
    PageQuery,
    accepts_up_to,
    decode_cursor,
    encode_cursor,
    new_api,
    new_blueprint,
    public,
    requires,
    seal,
)

REPORTER = new_key()
ADMIN = new_key()
PLANTED = "plante 13900001234 planted"


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=10)


class Attachment(BaseModel):
    note: str


class NoSuchNoteError(Exception):
    """A domain error."""


class NotYetError(Exception):
    """A domain error that goes away by itself."""


def make_client(
    failure: Callable[[], None] = lambda: None, check: Callable[[], str | None] = lambda: None
) -> FlaskClient:
    keys = KeyRing(
        (
            KeyEntry(name="reporter", sha256=hash_key(REPORTER), scopes=frozenset({Scope.REPORT})),
            KeyEntry(name="admin", sha256=hash_key(ADMIN), scopes=frozenset({Scope.ADMIN})),
        )
    )
    errors = {
        NoSuchNoteError: ("no-such-note", "There is no such note", 404),
        NotYetError: ("not-yet", "Not yet", 503),
    }
    api = new_api(
        __name__,
        "Notes",
        "For tests",
        version="1",
        keys=keys,
        errors=errors,
        checks={"pen": check},
        looks={},
        service="notes",
        metrics=Metrics(),
    )
    notes = new_blueprint("notes", __name__)

    @notes.post("/notes")
    @requires(Scope.REPORT)
    def take(body: Note) -> dict[str, str]:
        return {"text": body.text}

    @notes.post("/notes:moderate")
    @requires(Scope.MODERATE)
    @accepts_up_to(10)
    def moderate() -> dict[str, int]:
        return {"length": len(request.get_data())}

    @notes.post("/notes:attach")
    @public
    @accepts_up_to(505_000)
    def attach(form: Attachment) -> dict[str, int]:
        return {"length": len(form.note)}

    @notes.post("/notes:import")
    @public
    @accepts_up_to(None)
    def take_any_length() -> dict[str, int]:
        return {"length": len(request.get_data())}

    @notes.get("/notes")
    @public
    def page(query: PageQuery) -> dict[str, int]:
        decode_cursor(query.cursor, (int, str))
        return {"limit": query.limit}

    @notes.get("/failure")
    @public
    def fail() -> dict[str, str]:
        failure()
        return {}

    api.register_api(notes)
    seal(api)
    return api.test_client()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("body", "content_type", "status", "word"),
    [
        (b"{", "application/json", 400, "malformed-json"),
        (b"\xff\xfe\x00", "application/json", 400, "malformed-json"),
        (b"", "application/json", 400, "empty-body"),
        (b"[" * 60_000, "application/json", 400, "nested-too-deep"),
        (b'{"a":' * 12_000, "application/json", 400, "nested-too-deep"),
        (b"[" * 100_000, "application/json", 413, "request-entity-too-large"),
        (b'"text"', "application/json", 422, "object-needed"),
        (b'{"text": 1}', "application/json", 422, "invalid-value"),
        (b'{"text": "12345678901"}', "application/json", 422, "invalid-value"),
        (b'{"text": "\\u0000"}', "application/json", 422, "unstorable-text"),
        (b'{"text": "\\ud800"}', "application/json", 422, "unstorable-text"),
        (b'{"text": {"\\ud800": 1}}', "application/json", 422, "unstorable-text"),
        (b"text=1", "application/x-www-form-urlencoded", 415, "json-needed"),
    ],
)
def test_bad_bodies_are_refused_in_words(body: bytes, content_type: str, status: int, word: str) -> None:
    answer = make_client().post("/v1/notes", data=body, content_type=content_type, headers=bearer(REPORTER))
    assert (answer.status_code, answer.content_type) == (status, PROBLEM_MEDIA_TYPE)
    document = answer.get_json(force=True)
    assert document["type"] == f"urn:quietline:problem:{word}"
    assert document["request_id"] == answer.headers["X-Request-Id"]


def test_what_does_not_fit_is_told_without_what_was_sent() -> None:
    answer = make_client().post("/v1/notes", json={PLANTED: 1, "text": [PLANTED]}, headers=bearer(REPORTER))
    assert answer.get_json(force=True)["faults"] == [
        {"where": "text", "why": "must be text"},
        {"where": "body", "why": "holds a member that is not known"},
    ]
    assert PLANTED not in answer.text


def test_a_fit_body_is_taken() -> None:
    answer = make_client().post("/v1/notes", json={"text": "孕检😀"}, headers=bearer(REPORTER))
    assert answer.get_json() == {"text": "孕检😀"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic abc"}, 401),
        (bearer("ql_unknown"), 401),
        (bearer("ql_\udcff"), 401),
        (bearer(REPORTER), 403),
        (bearer(ADMIN), 200),
    ],
)
def test_only_holders_of_the_scope_may_call(headers: dict[str, str], status: int) -> None:
    assert make_client().post("/v1/notes:moderate", headers=headers).status_code == status


def test_the_key_is_checked_before_the_body_is_read() -> None:
    assert make_client().post("/v1/notes", data=b"{", content_type="application/json").status_code == 401


class Leaving:
    """A body whose sender is gone in the end; like gunicorn's, it has `read` only."""

    def __init__(self, content: bytes, error: Exception | None) -> None:
        self._content = io.BytesIO(content)
        self._error = error

    def read(self, size: int = -1) -> bytes:
        block = self._content.read(size)
        if not block and self._error is not None:
            raise self._error
        return block


@pytest.mark.parametrize(
    ("error", "announced"),
    [
        (ChunkMissingTerminator(b""), {"wsgi.input_terminated": True}),
        (NoMoreData(), {"wsgi.input_terminated": True}),
        (ConnectionResetError(errno.ECONNRESET, PLANTED), {"CONTENT_LENGTH": "99"}),
        (None, {"CONTENT_LENGTH": "99"}),
    ],
    ids=["chunk broken", "chunk missing", "connection reset", "length not reached"],
)
@pytest.mark.parametrize("content", [b"", b'{"text": "a"}'], ids=["at once", "in the end"])
def test_a_client_that_leaves_is_no_fault_of_ours(
    capfd: pytest.CaptureFixture[str], content: bytes, error: Exception | None, announced: dict[str, object]
) -> None:
    structlog.reset_defaults()
    answer = make_client().post(
        "/v1/notes", content_type="application/json", headers=bearer(REPORTER),
        environ_overrides=announced | {"wsgi.input": Leaving(content, error)},
    )  # fmt: skip
    assert (answer.status_code, answer.content_type) == (400, PROBLEM_MEDIA_TYPE)
    assert answer.get_json(force=True)["type"] == "urn:quietline:problem:client-left"
    logged = capfd.readouterr().out
    assert "client_left" in logged
    assert answer.headers["X-Request-Id"] in logged.partition("client_left")[2].partition("\n")[0]
    assert "error" not in logged
    assert PLANTED not in logged + answer.text


PART = b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\n'


@pytest.mark.parametrize(
    ("error", "announced"),
    [
        (ChunkMissingTerminator(b""), {"wsgi.input_terminated": True}),
        (NoMoreData(), {"wsgi.input_terminated": True}),
        (None, {"wsgi.input_terminated": True, "CONTENT_LENGTH": "999"}),
    ],
    ids=["chunk broken", "chunk missing", "length not reached"],
)
def test_a_client_that_leaves_in_the_middle_of_a_form_is_no_fault_of_ours(
    error: Exception | None, announced: dict[str, object]
) -> None:
    answer = make_client().post(
        "/v1/notes:attach", content_type="multipart/form-data; boundary=x",
        environ_overrides=announced | {"wsgi.input": Leaving(PART, error)},
    )  # fmt: skip
    assert (answer.status_code, answer.content_type) == (400, PROBLEM_MEDIA_TYPE)
    assert answer.get_json(force=True)["type"] == "urn:quietline:problem:client-left"


def test_a_fault_of_ours_is_not_blamed_on_the_client(capfd: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    answer = make_client().post(
        "/v1/notes", content_type="application/json", headers=bearer(REPORTER),
        environ_overrides={"wsgi.input_terminated": True, "wsgi.input": Leaving(b"", RuntimeError(PLANTED))},
    )  # fmt: skip
    assert answer.status_code == 500
    logged = capfd.readouterr().out
    assert "RuntimeError" in logged
    assert "client_left" not in logged


def test_a_body_in_chunks_is_taken_to_its_end_and_its_limit_holds() -> None:
    chunks = {"wsgi.input_terminated": True}
    for body, status in ((b'{"text": "a"}', 200), (b" " * 70_000, 413)):
        answer = make_client().post(
            "/v1/notes", input_stream=io.BytesIO(body), content_type="application/json",
            headers=bearer(REPORTER), environ_overrides=chunks,
        )  # fmt: skip
        assert answer.status_code == status


def test_a_view_may_set_its_own_limit_or_none() -> None:
    client = make_client()
    assert client.post("/v1/notes:import", data=b"x" * 200_000).get_json() == {"length": 200_000}
    assert client.post("/v1/notes:moderate", data=b"x" * 11, headers=bearer(ADMIN)).status_code == 413
    assert client.post("/v1/notes:attach", data={"note": "x" * 502_000}).get_json() == {"length": 502_000}


@pytest.mark.parametrize(
    ("path", "body", "limit"),
    [
        ("/v1/notes", {"json": {"text": "x" * 70_000}}, "65536 bytes at most."),
        ("/v1/notes:moderate", {"data": b"x" * 11}, "10 bytes at most."),
        ("/v1/notes:attach", {"data": {"note": "x" * 508_000}}, "505000 bytes at most, in 1000 parts."),
        ("/v1/notes:attach", {"data": {str(n): "x" for n in range(1100)}}, "505000 bytes at most, in 1000 parts."),
    ],
)
def test_a_body_that_is_too_long_is_told_the_limit(path: str, body: dict[str, Any], limit: str) -> None:
    kind = {"content_type": "multipart/form-data"} if "attach" in path else {}
    answer = make_client().post(path, headers=bearer(ADMIN), **body, **kind)
    assert answer.status_code == 413
    assert answer.get_json(force=True)["detail"] == f"It may have {limit}"


@pytest.mark.parametrize(
    "cursor", ["x", "é", encode_cursor(["1", "a"]), encode_cursor([1]), encode_cursor([1, "\ud800"]), "W10="]
)
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    answer = make_client().get("/v1/notes", query_string={"cursor": cursor})
    assert (answer.status_code, answer.get_json(force=True)["type"]) == (400, "urn:quietline:problem:bad-cursor")


@pytest.mark.parametrize("limit", ["0", "201", "many"])
def test_pages_have_a_limit(limit: str) -> None:
    assert make_client().get("/v1/notes", query_string={"limit": limit}).status_code == 422


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (NoSuchNoteError("look again"), 404, "no-such-note"),
        (Problem("gone", "It is gone", 410), 410, "gone"),
        (OSError(errno.ENOSPC, "No space left on device"), 507, "storage-full"),
        (OperationalError("SELECT", {}, Exception("database is locked")), 503, "database-unavailable"),
        (OperationalError("INSERT", {}, Exception("database or disk is full")), 507, "storage-full"),
        (OperationalError("INSERT", {}, psycopg.errors.DiskFull("磁盘已满")), 507, "storage-full"),
        (OperationalError("SELECT", {}, psycopg.errors.AdminShutdown(PLANTED)), 503, "database-unavailable"),
        (ProgrammingError("SELECT", {}, psycopg.errors.UndefinedTable(PLANTED)), 503, "database-unavailable"),
        (ProgrammingError("SELECT", {}, psycopg.errors.SyntaxError(PLANTED)), 500, "internal-error"),
        (DBAPIError("INSERT", {}, psycopg.errors.ReadOnlySqlTransaction(PLANTED)), 503, "database-unavailable"),
        (DBAPIError("SELECT", {}, Exception(PLANTED), connection_invalidated=True), 503, "database-unavailable"),
        (PoolTimeoutError(PLANTED), 503, "database-unavailable"),
        (Problem("not-ready", "Not yet", 503), 503, "not-ready"),
        (NotYetError("wait"), 503, "not-yet"),
        (RuntimeError(PLANTED), 500, "internal-error"),
        (OSError(errno.EIO, PLANTED), 500, "internal-error"),
    ],
)
def test_every_failure_is_a_problem_without_internals(error: Exception, status: int, word: str) -> None:
    answer = make_client(raising(error)).get("/v1/failure")
    assert (answer.status_code, answer.content_type) == (status, PROBLEM_MEDIA_TYPE)
    assert answer.get_json(force=True)["type"] == f"urn:quietline:problem:{word}"
    assert PLANTED not in answer.text
    assert "SELECT" not in answer.text
    assert (int(answer.headers.get("Retry-After", 0)) > 0) == (status in {503, 507})


def test_an_unexpected_error_leaves_no_text_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    make_client(raising(RuntimeError(PLANTED))).get("/v1/failure")
    written = capfd.readouterr()
    assert "RuntimeError" in written.out + written.err
    assert PLANTED not in written.out + written.err


def test_unknown_paths_and_methods_are_problems_too() -> None:
    client = make_client()
    assert client.get("/nowhere").content_type == PROBLEM_MEDIA_TYPE
    assert client.put("/v1/notes").content_type == PROBLEM_MEDIA_TYPE


def test_health_fails_when_a_check_fails() -> None:
    def query_a_missing_table() -> None:
        with create_engine("sqlite://").connect() as connection:
            connection.execute(text("SELECT 1 FROM nothing"))

    assert make_client().get("/readyz").status_code == 200
    assert make_client(check=lambda: "empty").get("/readyz").status_code == 503
    broken = make_client(check=query_a_missing_table).get("/readyz")
    assert (broken.status_code, broken.headers["Retry-After"]) == (503, "5")


def test_a_given_request_id_is_kept_and_a_strange_one_is_not() -> None:
    client = make_client()
    assert client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    assert client.get("/healthz", headers={"X-Request-Id": "a b"}).headers["X-Request-Id"] != "a b"


def test_the_address_of_the_documents_leads_to_the_page() -> None:
    client = make_client()
    assert client.get("/docs/").headers["Location"] == "swagger"
    assert "swagger-ui" in client.get("/docs/swagger").text


def test_every_error_is_declared_in_the_document() -> None:
    document = make_client().get("/docs/openapi.json").get_json()
    responses = document["paths"]["/v1/notes"]["post"]["responses"]
    for status in ("400", "401", "403", "413", "415", "422", "500", "503", "507"):
        assert list(responses[status]["content"]) == [PROBLEM_MEDIA_TYPE]


def test_an_endpoint_that_says_nothing_about_callers_stops_the_start() -> None:
    api = new_api(
        __name__,
        "Open",
        "",
        version="1",
        keys=KeyRing(()),
        errors={},
        checks={},
        looks={},
        service="open",
        metrics=Metrics(),
    )
    api.add_url_rule("/open", "open", lambda: "")
    with pytest.raises(RuntimeError, match="neither requires a scope nor is public"):
        seal(api)
