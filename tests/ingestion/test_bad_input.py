"""What bad input gets: a clear problem, and nothing half-written."""

import json
from contextlib import ExitStack, contextmanager

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import create_engine, event

import shared.database
from shared.auth import KeyFile
from tests.databases import POSTGRES, taken_away
from tests.ingestion.conftest import NDJSON
from tests.ingestion.imports import Interrupted

GOOD = {"sender": "95588", "body": "你好", "received_at": "2025-06-01T12:00:00Z", "consent": True}


def refused(answer, status: int) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert set(answer.json) >= {"type", "title", "status", "request_id"}
    assert "Traceback" not in answer.text
    return answer.json


def test_problems_are_told_in_words_and_store_nothing(ingestion):
    cases = [
        ("{", 400),
        ("", 400),
        ("nonsense", 400),
        (b"\xff\xfe", 400),
        ("[" * 60_000, 400),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, 400),
        ("[]", 422),
        ("null", 422),
        ('"text"', 422),
        ("NaN", 422),
        ("{}", 422),
        (json.dumps(GOOD | {"body": "a\0b"}), 422),
        (json.dumps(GOOD | {"body": "a\ud800b"}), 422),
        (json.dumps(GOOD | {"a\ud800": 1}), 422),
        (json.dumps(GOOD | {"reporter": "\0"}), 422),
        (json.dumps(GOOD | {"body": 7}), 422),
        (json.dumps(GOOD | {"body": ["x"]}), 422),
        (json.dumps(GOOD | {"body": ""}), 422),
        (json.dumps(GOOD | {"body": " \n\u3000"}), 422),
        (json.dumps(GOOD | {"body": "a" * 2001}), 422),
        (json.dumps(GOOD | {"sender": ""}), 422),
        (json.dumps(GOOD | {"sender": "\n"}), 422),
        (json.dumps(GOOD | {"sender": "x" * 33}), 422),
        (json.dumps(GOOD | {"sender": None}), 422),
        (json.dumps(GOOD | {"category": "spam"}), 422),
        (json.dumps(GOOD | {"category": "PORN"}), 422),
        (json.dumps(GOOD | {"topic": "weather"}), 422),
        (json.dumps(GOOD | {"received_at": 1e400}), 422),
        (json.dumps(GOOD | {"received_at": 10**400}), 422),
        (json.dumps(GOOD | {"consent": "yes"}), 422),
        (json.dumps(GOOD | {"unknown": 1}), 422),
        (json.dumps(GOOD | {"body": "a" * 1_000_000}), 413),
    ]
    for body, status in cases:
        answer = ingestion.call("POST", "/reports", by="phone", data=body, content_type="application/json")
        refused(answer, status)
    assert ingestion.get("/reports").json["items"] == []


def test_json_nested_a_hundred_thousand_deep_is_no_internal_error(ingestion):
    body = "[" * 100_000 + "]" * 100_000
    refused(ingestion.call("POST", "/reports", by="phone", data=body, content_type="application/json"), 413)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_is_no_json_is_refused(ingestion, content_type):
    refused(ingestion.call("POST", "/reports", by="phone", data=json.dumps(GOOD), content_type=content_type), 415)


@pytest.mark.parametrize("key", ["short", "k" * 129])
def test_an_idempotency_key_that_is_none_is_refused(ingestion, key):
    refused(ingestion.report(key=key), 422)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic phone", "Bearer nobody", "phone", "Bearer phone x"])
def test_a_missing_or_wrong_key_is_refused(ingestion, header):
    answer = ingestion.post("/reports", GOOD, headers={"Authorization": header})
    refused(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", "1e3", ""])
def test_a_limit_that_is_none_is_refused(ingestion, limit):
    refused(ingestion.get("/reports", query_string={"limit": limit}), 422)


def test_text_that_no_database_stores_is_no_search(ingestion):
    refused(ingestion.get("/reports?q=%00"), 422)


@pytest.fixture
def impatient(settings, start, monkeypatch):
    """A service that waits hardly for a lock."""
    monkeypatch.setattr(shared.database, "BUSY_TIMEOUT_SECONDS", 0.02)
    monkeypatch.setattr(shared.database, "LOCK_TIMEOUT_SECONDS", 1)
    return start(settings)


@contextmanager
def locked(settings):
    """Holds what a writer holds, from a connection of its own."""
    engine = create_engine(settings.database_url)
    with engine.connect() as other:
        if POSTGRES is None:
            other.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            other.exec_driver_sql("LOCK TABLE reports, receipts, sources, campaigns, snapshots IN EXCLUSIVE MODE")
        yield
        other.rollback()
    engine.dispose()


def test_a_locked_database_is_told_and_nothing_is_lost(impatient):
    impatient.import_lines([{"text": "一", "category": "porn"}, {"text": "二", "category": "fraud"}])
    line = b'{"text": "x"}\n'
    with locked(impatient.settings):
        answers = [
            impatient.report(key="key-00001"),
            impatient.call("POST", "/reports:import?source=desk", data=line, content_type=NDJSON),
            impatient.post("/snapshots"),
        ]
        assert len(impatient.get("/reports").json["items"]) == 2
    for answer in answers:
        refused(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
    assert impatient.report(key="key-00001").status_code == 201
    assert impatient.post("/snapshots").status_code == 201


def test_an_import_that_meets_a_lock_on_its_way_says_how_far_it_came(impatient, monkeypatch):
    monkeypatch.setattr("services.ingestion.bulk.BATCH", 1)
    with ExitStack() as held:
        lines = [b'{"text": "one"}\n', b'{"text": "two"}\n']
        body = Interrupted(lines, lambda: held.enter_context(locked(impatient.settings)))
        answer = impatient.call(
            "POST", "/reports:import?source=desk", content_type=NDJSON, environ_overrides=body.environment
        )
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert events[-1]["done"] is False
    assert events[-1]["accepted"] == 1
    assert events[-1]["problem"]["status"] == 503


@pytest.mark.skipif(POSTGRES is not None, reason="only SQLite lets a test limit a database's size")
def test_a_full_disk_is_told_and_nothing_is_half_written(ingestion):
    ingestion.report("第一条")

    @event.listens_for(ingestion.engine, "checkout")
    def limit(connection, _record, _proxy):
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    texts = [f"{'甲乙丙丁戊己庚辛'[n % 8] * 1500}{n}" for n in range(50)]
    answers = [ingestion.report(text) for text in texts]
    full = [answer for answer in answers if answer.status_code == 507]
    assert full
    refused(full[0], 507)
    body = "".join(json.dumps({"text": f"{text}!"}) + "\n" for text in texts).encode()
    refused(ingestion.call("POST", "/reports:import?source=desk", data=body, content_type=NDJSON), 507)
    event.remove(ingestion.engine, "checkout", limit)
    ingestion.engine.dispose()
    stored = len(ingestion.get("/reports?limit=200").json["items"])
    assert stored == 1 + sum(answer.status_code == 201 for answer in answers)
    assert sum(one["reports"] for one in ingestion.campaigns()) == stored


def test_a_database_that_is_gone_is_told_and_comes_back_without_a_hand(ingestion):
    ingestion.import_lines([{"text": "一", "category": "porn"}, {"text": "二", "category": "fraud"}])
    line = b'{"text": "x"}\n'
    with taken_away(ingestion.engine):
        answers = [
            ingestion.report(key="key-00001"),
            ingestion.call("POST", "/reports:import?source=desk", data=line, content_type=NDJSON),
            ingestion.post("/snapshots"),
            ingestion.get("/reports"),
            ingestion.get("/labels/count"),
            ingestion.app.test_client().get("/readyz"),
        ]
        assert ingestion.app.test_client().get("/healthz").status_code == 200
    for answer in answers:
        refused(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
    assert ingestion.app.test_client().get("/readyz").status_code == 200
    assert ingestion.report(key="key-00001").status_code == 201
    assert ingestion.post("/snapshots").status_code == 201


class FullDisk(LocalFileSystem):
    """A disk that takes nothing: what is written to it goes where the system itself says that there is no room."""

    protocol = "fulldisk"

    def _open(self, path, mode="rb", **options):
        return super()._open("/dev/full" if "w" in mode else path, mode, **options)


def test_a_snapshot_that_finds_no_room_is_told_and_leaves_nothing(ingestion, settings, start):
    fsspec.register_implementation("fulldisk", FullDisk, clobber=True)
    ingestion.import_lines([{"text": "一", "category": "porn"}, {"text": "二", "category": "fraud"}])
    full = start(settings.model_copy(update={"snapshots_url": f"fulldisk://{settings.snapshots_url}"}))
    answer = full.post("/snapshots")
    assert refused(answer, 507)["type"] == "urn:quietline:problem:storage-full"
    assert int(answer.headers["Retry-After"]) > 0
    assert full.get("/snapshots").json["items"] == []
    assert ingestion.post("/snapshots").status_code == 201


def test_readiness_notices_missing_tables(empty_settings, start):
    answer = start(empty_settings).app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "migrate" in answer.json["detail"]


def test_readiness_notices_that_nobody_can_be_let_in(settings, start):
    KeyFile(keys=()).write(settings.keys_file)
    answer = start(settings).app.test_client().get("/readyz")
    assert "holds no key" in refused(answer, 503)["checks"]["keys"]


def test_a_service_with_its_tables_is_ready(ingestion):
    assert ingestion.app.test_client().get("/readyz").status_code == 200
