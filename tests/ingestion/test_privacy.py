"""No text, number or token comes into logs, errors, metrics or traces, and what is masked comes into no table."""

import json
import logging
from pathlib import Path

import pytest
import structlog
from sqlalchemy import inspect, text

from services.ingestion import store
from shared.database import reading
from tests.databases import POSTGRES
from tests.ingestion.conftest import NDJSON
from tests.ingestion.imports import Interrupted

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

    def break_the_database() -> None:
        with ingestion.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE bands")

    body = Interrupted([b'{"text": "first"}\n', json.dumps(PLANTED).encode() + b"\n"], break_the_database)
    rest = ingestion.call(
        "POST", "/reports:import?source=desk", content_type=NDJSON, environ_overrides=body.environment
    ).text
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


def files_with(ingestion, planted: str) -> list[str]:
    """Names the files of the database that hold the text, whether SQLite still reads it or not."""
    folder = Path(ingestion.engine.url.database).parent
    found = [file.name for file in folder.glob("ingestion.sqlite*") if planted.encode() in file.read_bytes()]
    assert (folder / "ingestion.sqlite").exists()
    return found


def withdraw(ingestion, made: dict) -> None:
    proof = {"X-Receipt-Secret": made["secret"]}
    assert ingestion.call("DELETE", f"/reports/{made['receipt']}", by="phone", headers=proof).status_code == 204


@pytest.mark.skipif(POSTGRES is not None, reason="PostgreSQL minds its files itself")
def test_no_file_of_the_database_holds_a_withdrawn_text(ingestion):
    made = {}
    for n in range(60):
        planted = f"蓝色大象{'甲乙丙丁戊己庚辛壬癸'[n // 10]}{'子丑寅卯辰巳午未申酉'[n % 10]}今晚跳舞"
        made[planted] = ingestion.report(planted + "，不见不散" * (n % 7) * 20).json
    for report in ingestion.get("/reports?limit=200").json["items"]:
        ingestion.post(f"/reports/{report['id']}/label", {"category": "personal"})
    withdrawn = list(made)[::3]
    assert files_with(ingestion, withdrawn[0]) != []
    for planted in withdrawn:
        withdraw(ingestion, made[planted])
        assert files_with(ingestion, planted) == []
    assert all(files_with(ingestion, planted) for planted in set(made) - set(withdrawn))


@pytest.mark.skipif(POSTGRES is not None, reason="PostgreSQL minds its files itself")
def test_a_text_that_was_withdrawn_while_somebody_read_goes_with_the_next_snapshot(ingestion):
    ingestion.import_lines([{"text": "一", "category": "porn"}, {"text": "二", "category": "fraud"}])
    made = ingestion.report("蓝色大象今晚跳舞").json
    with reading(ingestion.engine) as session:
        session.execute(text("SELECT count(*) FROM reports"))
        withdraw(ingestion, made)
    ingestion.freeze()
    assert files_with(ingestion, "蓝色大象今晚跳舞") == []
