"""No text, number or token comes into logs, errors, metrics or traces, and what is masked comes into no table."""

import json
import logging

import pytest
import structlog
from sqlalchemy import inspect

from services.ingestion import store
from tests.ingestion.conftest import NDJSON

SECRETS = (
    "蓝色大象今晚跳舞",
    "13912345678",
    "9988776",
    "opaque-reporter-token",
    "idempotency-key-0001",
    "line-id-4711",
)
PLANTED = {
    "sender": "13912345678",
    "body": "蓝色大象今晚跳舞，验证码9988776",
    "received_at": "2025-06-01T12:00:00Z",
    "consent": True,
    "reporter": "opaque-reporter-token",
}


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text or secret.encode("unicode_escape").decode() in text]


@pytest.fixture
def told(caplog, capfd):
    """Gives all that was logged or printed since the last time."""
    caplog.set_level(logging.DEBUG)

    def all_of_it() -> str:
        captured = capfd.readouterr()
        return captured.out + captured.err + caplog.text

    structlog.reset_defaults()
    return all_of_it


def send_all(ingestion) -> list[str]:
    """Sends what is planted in every way that works or fails, and gives the problems that came back."""
    key = {"Idempotency-Key": "idempotency-key-0001"}
    answers = [
        ingestion.post("/reports", PLANTED | changed, by="phone", headers=key)
        for changed in (
            {}, {"received_at": "1990-01-01T00:00:00Z"}, {"sender": "13912345678" * 4},
            {"body": "蓝色大象今晚跳舞" * 300}, {"category": "蓝色大象今晚跳舞"}, {"蓝色大象今晚跳舞": 1},
            {"reporter": ["opaque-reporter-token"]}, {"received_at": "13912345678"},
            {"body": "蓝色大象今晚跳舞\0"}, {"body": {"蓝色大象今晚跳舞": "13912345678"}},
        )
    ]  # fmt: skip
    made = answers[0].json
    answers += [
        ingestion.get(f"/reports/{made['receipt']}", by="phone", headers={"X-Receipt-Secret": "13912345678" * 20}),
        ingestion.get("/reports/蓝色大象今晚跳舞", by="phone", headers={"X-Receipt-Secret": "13912345678"}),
        ingestion.get("/reports", query_string={"q": "蓝色大象今晚跳舞" * 20}),
        ingestion.get("/reports", query_string={"cursor": "13912345678"}),
        ingestion.get("/campaigns/13912345678"),
        ingestion.post("/reports/13912345678/label", {"category": "fraud"}),
        ingestion.call("POST", "/reports", by="13912345678", json=PLANTED),
        ingestion.call("POST", "/reports:import?source=desk", data="蓝色大象今晚跳舞", content_type="text/csv"),
    ]
    bad = PLANTED | {"text": "蓝色大象今晚跳舞", "id": "line-id-4711", "category": "蓝色大象今晚跳舞"}
    lines = json.dumps(bad, ensure_ascii=False) + "\n蓝色大象今晚跳舞\n" + json.dumps(bad | {"category": None}) + "\n"
    answers.append(ingestion.call("POST", "/reports:import?source=desk", data=lines.encode(), content_type=NDJSON))
    return [answer.text for answer in answers if answer.status_code >= 400 or answer.content_type.startswith(NDJSON)]


def test_logs_errors_and_metrics_hold_nothing_of_a_message(ingestion, told):
    problems = send_all(ingestion)
    assert len(problems) >= 17
    for problem in problems:
        assert leaks(problem) == []
    metrics = ingestion.app.test_client().get("/metrics").text
    assert "http_requests_total" in metrics
    assert leaks(metrics) == []
    logged = told()
    assert "request" in logged
    assert leaks(logged) == []


def test_an_internal_error_tells_nothing_of_a_message(ingestion, told, monkeypatch):
    def breaks(*arguments: object, **_others: object) -> None:
        raise LookupError(f"{PLANTED} {arguments}")

    monkeypatch.setattr(store, "add_report", breaks)
    monkeypatch.setattr(store, "add_reports", breaks)
    answer = ingestion.post("/reports", PLANTED, by="phone")
    assert answer.status_code == 500
    assert leaks(answer.text) == []
    lines = json.dumps(PLANTED).encode()
    answer = ingestion.call("POST", "/reports:import?source=desk", data=lines, content_type=NDJSON)
    assert answer.status_code == 500
    assert leaks(answer.text) == []
    logged = told()
    assert "unexpected_error" in logged
    assert leaks(logged) == []


def test_a_database_error_tells_nothing_of_a_message(ingestion, told):
    with ingestion.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE bands")
    ingestion.post("/reports", PLANTED, by="phone")
    answer = ingestion.get("/campaigns")
    assert answer.status_code >= 500
    lines = json.dumps(PLANTED).encode()
    ingestion.call("POST", "/reports:import?source=desk", data=lines, content_type=NDJSON)
    logged = told()
    assert "database_error" in logged
    assert leaks(answer.text + logged) == []


def test_an_import_that_breaks_on_its_way_tells_nothing_of_a_message(ingestion, told, monkeypatch):
    monkeypatch.setattr("services.ingestion.bulk.BATCH", 1)
    lines = b'{"text": "first"}\n' + json.dumps(PLANTED).encode() + b"\n"
    answer = ingestion.call("POST", "/reports:import?source=desk", data=lines, content_type=NDJSON, buffered=False)
    blocks = iter(answer.response)
    first = next(blocks)
    with ingestion.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE bands")
    rest = b"".join([first, *blocks]).decode()
    assert '"done": false' in rest
    logged = told()
    assert "import_broken" in logged
    assert leaks(rest + logged) == []


def test_no_table_holds_what_was_masked_or_what_proves_who_one_is(ingestion):
    made = ingestion.post("/reports", PLANTED, by="phone", headers={"Idempotency-Key": "idempotency-key-0001"}).json
    with ingestion.engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        content = str([connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall() for name in tables])
    assert "蓝色大象今晚跳舞" in content
    for secret in ("9988776", "opaque-reporter-token", "idempotency-key-0001", made["secret"]):
        assert secret not in content
